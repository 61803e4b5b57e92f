using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>Connections of strangers: they get nowhere, and disturb no member.</summary>
public sealed class StrangerTests : IDisposable
{
    private readonly BlockingCollection<string> _log = [];
    private readonly BulkListener _listener;
    private readonly BulkServer _server;
    private readonly TransportSettings _settings;

    public StrangerTests()
    {
        _settings = new TransportSettings { Secret = "a secret", HelloDeadline = TimeSpan.FromSeconds(30), Log = _log.Add };
        _listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), _settings);
        _server = new BulkServer(_listener);
        _server.Serve("bytes", new BytesSource([1, 2, 3]));
    }

    public void Dispose()
    {
        _server.Dispose();
        _listener.Dispose();
    }

    private BulkEndpoint Tcp => _listener.Endpoint with { UnixSocket = null };

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, _listener.Endpoint.Port);
        return socket;
    }

    private void AssertLogged(string sentence)
    {
        Assert.True(_log.TryTake(out var line, Mesh.Patience), $"nothing was logged about what {sentence}");
        Assert.True(line.Contains(sentence), line);
    }

    private void AssertServes()
    {
        var bytes = new byte[3];
        using var client = BulkClient.Connect(Tcp, _settings, Mesh.Patience);
        client.Fetch("bytes", "", 0, bytes);
        Assert.Equal([1, 2, 3], bytes);
    }

    /// <summary>Bytes up to the peer's end of the stream.</summary>
    private static byte[] ReadToEnd(Socket socket)
    {
        using var stream = new NetworkStream(socket);
        using var all = new MemoryStream();
        try
        {
            stream.CopyTo(all);
        }
        catch (IOException)
        {
            // Closed with something of ours still unread.
        }

        return all.ToArray();
    }

    [Fact]
    public void Garbage_is_dropped_with_a_word_in_the_log()
    {
        using var stranger = Connect();
        stranger.Send("GET / HTTP/1.1\r\nHost: example\r\n\r\n"u8);
        ReadToEnd(stranger);
        AssertLogged("did not begin with a hello of this version");
        AssertServes();
    }

    [Fact]
    public void A_huge_length_is_refused_before_memory_is_taken_for_it()
    {
        using var stranger = Connect();
        var greeting = new byte[24];
        stranger.Receive(greeting);
        stranger.Send([.. greeting[..8], .. new byte[16], 0xFF, 0xFF]);
        ReadToEnd(stranger);
        AssertLogged("announced 65535 bytes");
        AssertServes();
    }

    [Fact]
    public void Half_a_hello_is_dropped()
    {
        using (var stranger = Connect()) stranger.Send("CLIPMOE"u8);
        AssertLogged("closed before it had said what it was for");
        AssertServes();
    }

    [Fact]
    public void A_silent_connection_is_dropped_after_the_deadline()
    {
        using var impatient = new BulkListener(
            "127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), _settings with { HelloDeadline = TimeSpan.FromMilliseconds(100) });
        using var stranger = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        stranger.Connect(IPAddress.Loopback, impatient.Endpoint.Port);
        Assert.Equal(24, ReadToEnd(stranger).Length);
        AssertLogged("did not say what it was for in time");
    }

    [Fact]
    public void Any_number_of_silent_connections_lock_no_member_out()
    {
        var strangers = Enumerable.Range(0, 200).Select(_ => Connect()).ToList();
        AssertServes();
        AssertLogged("was silent while others waited");
        strangers.ForEach(s => s.Dispose());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("another secret")]
    public void Without_the_secret_nothing_is_served(string? secret)
    {
        var failure = Assert.Throws<IOException>(() => BulkClient.Connect(Tcp, _settings with { Secret = secret }, Mesh.Patience));
        Assert.Contains("closed a new connection without an answer", failure.Message);
        AssertLogged("does not know the cluster's secret");
    }

    [Fact]
    public void The_listener_must_know_the_secret_as_well()
    {
        using var mesh = new Mesh(1, unix: true, _ => new TransportSettings { Secret = "another secret" });
        Assert.Throws<IOException>(() => BulkClient.Connect(mesh.Endpoints[0], _settings, Mesh.Patience));
    }

    [Fact]
    public void A_member_that_sends_a_huge_frame_is_dropped_too()
    {
        using var connection = Connector.Connect(Tcp, new Hello(ConnectionPurpose.Fetch), _settings, default);
        connection.Send(new FrameHeader(FrameKind.Request, int.MaxValue, 1, 0, 0, int.MaxValue, 0), []);
        Assert.Throws<EndOfStreamException>(() => connection.ReceiveHeader());
        AssertLogged("sent Request in place of a request");
        AssertServes();
    }

    [Fact]
    public void A_damaged_header_is_not_believed()
    {
        var bytes = new byte[FrameHeader.Size];
        var header = new FrameHeader(FrameKind.Content, 7, 1, 2, 3, 10, 99);
        header.Write(bytes);
        Assert.Equal(header, FrameHeader.Read(bytes));
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.Throws<InvalidDataException>(() => FrameHeader.Read(bytes));
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
        }
    }
}
