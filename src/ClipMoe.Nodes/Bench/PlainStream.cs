using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace ClipMoe.Nodes.Bench;

/// <summary>The fastest that an ordinary socket moves memory in one direction, to compare an exchange with.</summary>
internal sealed class PlainStream : IDisposable
{
    private const int Buffer = 1 << 18;

    private readonly Socket _listener;

    public PlainStream(bool unix)
    {
        Address = unix ? $"clipmoe-bench-{Guid.NewGuid():n}" : "127.0.0.1:0";
        _listener = New(unix);
        _listener.Bind(EndPoint(Address, unix));
        _listener.Listen();
        if (!unix) Address = _listener.LocalEndPoint!.ToString()!;
    }

    public string Address { get; }

    /// <returns>Seconds from the sender's connecting to the last byte.</returns>
    public double Receive(Span<float> destination)
    {
        using var socket = _listener.Accept();
        var clock = Stopwatch.StartNew();
        for (var bytes = MemoryMarshal.AsBytes(destination); bytes.Length > 0;)
            bytes = bytes[socket.Receive(bytes[..Math.Min(Buffer, bytes.Length)])..];
        return clock.Elapsed.TotalSeconds;
    }

    public static void Send(string address, bool unix, ReadOnlySpan<float> source)
    {
        using var socket = New(unix);
        socket.Connect(EndPoint(address, unix));
        for (var bytes = MemoryMarshal.AsBytes(source); bytes.Length > 0;)
            bytes = bytes[socket.Send(bytes[..Math.Min(Buffer, bytes.Length)])..];
    }

    public void Dispose() => _listener.Dispose();

    private static Socket New(bool unix) => unix
        ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        : new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    private static EndPoint EndPoint(string address, bool unix) => unix ? new UnixDomainSocketEndPoint($"\0{address}")
        : IPEndPoint.Parse(address);
}
