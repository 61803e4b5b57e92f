using System.Net.Sockets;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>
/// A connected socket as blocking bytes: nothing of it ever runs on the thread pool. One thread may read while another one writes; any thread may
/// close it, which ends both.
/// </summary>
internal sealed class SocketStream(Socket socket) : Stream
{
    private long _deadline = long.MaxValue;
    private long _lastProgress = Environment.TickCount64;

    /// <summary>When bytes last moved, as <see cref="Environment.TickCount64"/>.</summary>
    public long LastProgress => Volatile.Read(ref _lastProgress);

    /// <summary>What is to be read and written until <see cref="EndDeadline"/> must be done within this time, all together.</summary>
    public void BeginDeadline(TimeSpan within) => _deadline = Environment.TickCount64 + (long)within.TotalMilliseconds;

    public void EndDeadline()
    {
        _deadline = long.MaxValue;
        (socket.ReceiveTimeout, socket.SendTimeout) = (0, 0);
    }

    public override int Read(Span<byte> buffer)
    {
        if (_deadline != long.MaxValue) socket.ReceiveTimeout = Remaining();
        var read = socket.Receive(buffer);
        Volatile.Write(ref _lastProgress, Environment.TickCount64);
        return read;
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            if (_deadline != long.MaxValue) socket.SendTimeout = Remaining();
            buffer = buffer[socket.Send(buffer)..];
            Volatile.Write(ref _lastProgress, Environment.TickCount64);
        }
    }

    private int Remaining() => _deadline - Environment.TickCount64 is > 0 and var left
        ? (int)Math.Min(left, int.MaxValue)
        : throw new SocketException((int)SocketError.TimedOut);

    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        try
        {
            // Wakes the threads that read and write; closing alone would wait for them.
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The peer or another thread was faster.
        }

        socket.Dispose();
    }

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override void Flush() { }
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
}
