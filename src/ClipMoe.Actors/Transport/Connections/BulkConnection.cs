using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>
/// A stream of checksummed frames between two processes, over TCP, TLS or a Unix socket. One thread may send while another one receives;
/// any thread may dispose it, which ends both.
/// </summary>
internal sealed class BulkConnection : IDisposable
{
    /// <summary>
    /// Bytes that may be under way in a Unix socket. By default it is less than a frame, and the sender sleeps several times in each. (TCP
    /// sizes its buffers itself; setting them made it slower.)
    /// </summary>
    private const int UnixSendBuffer = 1 << 20;

    private readonly SocketStream _socket;
    private readonly bool _local;
    private readonly byte[] _received = new byte[FrameHeader.Size];
    private readonly byte[] _sent = new byte[FrameHeader.Size];
    private SslStream? _tls;

    public BulkConnection(Socket socket)
    {
        _local = socket.AddressFamily == AddressFamily.Unix;
        if (_local) socket.SendBufferSize = UnixSendBuffer;
        else socket.NoDelay = true;
        Peer = _local ? "a process of this host" : $"{socket.RemoteEndPoint}";
        _socket = new SocketStream(socket);
    }

    /// <summary>
    /// Whether files, and so memory, can be lent through it: as both sides have seen, the peer is a process of this host and user.
    /// </summary>
    public bool Lends => _local;

    /// <summary>Whether <see cref="SendPages"/> can be used: over TCP, unencrypted.</summary>
    public bool SendsPages => !_local && _tls is null;

    /// <summary>For messages.</summary>
    public string Peer { get; }

    /// <inheritdoc cref="SocketStream.LastProgress"/>
    public long LastProgress => _socket.LastProgress;

    /// <inheritdoc cref="SocketStream.BeginDeadline"/>
    public void BeginDeadline(TimeSpan within) => _socket.BeginDeadline(within);

    public void EndDeadline() => _socket.EndDeadline();

    /// <summary>
    /// The side that connected speaks TLS from here on, if the process has a certificate and the peer is not on this host.
    /// </summary>
    /// <exception cref="AuthenticationException">The peer shows another certificate, or doesn't speak TLS.</exception>
    public void EncryptAsClient(TransportSettings settings, string host)
    {
        if (_local || settings.Certificate is not { } certificate) return;
        _tls = new SslStream(_socket);
        _tls.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = host,
            ClientCertificates = [certificate.Certificate],
            RemoteCertificateValidationCallback = (_, shown, _, _) => certificate.Is(shown),
        });
    }

    /// <inheritdoc cref="EncryptAsClient"/>
    /// <summary>The same for the side that accepted.</summary>
    public void EncryptAsServer(TransportSettings settings)
    {
        if (_local || settings.Certificate is not { } certificate) return;
        _tls = new SslStream(_socket);
        _tls.AuthenticateAsServer(new SslServerAuthenticationOptions
        {
            ServerCertificate = certificate.Certificate,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = (_, shown, _, _) => certificate.Is(shown),
        });
    }

    public void Send(ReadOnlySpan<byte> bytes) => Send(bytes, []);

    /// <exception cref="EndOfStreamException">The peer closed the stream.</exception>
    public void Receive(Span<byte> bytes)
    {
        if (_tls is null) _socket.ReadWhole(bytes);
        else _tls.ReadExactly(bytes);
    }

    /// <param name="header">Its length is the payload's, and its checksum is believed.</param>
    public void Send(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        header.Write(_sent);
        Send(_sent, payload);
    }

    /// <summary>Sends a frame whose payload must not change until the receiver has it.</summary>
    public void SendPages(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        header.Write(_sent);
        _socket.WritePages(_sent, payload);
    }

    /// <summary>Sends a header without a payload and lends a file with it.</summary>
    public void Send(in FrameHeader header, SafeHandle file)
    {
        header.Write(_sent);
        _socket.Write(_sent, file);
    }

    /// <summary>The file that came with the last header; it belongs to the caller.</summary>
    /// <exception cref="InvalidDataException">None did.</exception>
    public SafeFileHandle TakeFile() => _socket.TakeFile() ?? throw new InvalidDataException("lent memory without its file");

    /// <summary>Sends a frame after taking its checksum.</summary>
    public void SendChecked(in FrameHeader header, ReadOnlySpan<byte> payload) =>
        Send(header with { Length = payload.Length, Checksum = FrameChecksum.Compute(payload) }, payload);

    /// <exception cref="InvalidDataException">What came is no frame.</exception>
    /// <exception cref="EndOfStreamException">The peer closed the stream.</exception>
    public FrameHeader ReceiveHeader()
    {
        if (_local) _socket.ReadWholeWithFile(_received);
        else Receive(_received);
        return FrameHeader.Read(_received);
    }

    /// <summary>Reads the payload behind a header to where it belongs.</summary>
    /// <param name="payload">As long as the header says.</param>
    /// <exception cref="InvalidDataException">The payload doesn't have the header's checksum.</exception>
    public void ReceivePayload(in FrameHeader header, Span<byte> payload)
    {
        payload = payload[..header.Length];
        Receive(payload);
        if (FrameChecksum.Compute(payload) != header.Checksum) throw new InvalidDataException(FrameChecksum.Mismatch(header.Kind));
    }

    public void Dispose() => _socket.Dispose();

    private void Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        if (_tls is null)
        {
            _socket.Write(first, second);
            return;
        }

        _tls.Write(first);
        _tls.Write(second);
    }
}
