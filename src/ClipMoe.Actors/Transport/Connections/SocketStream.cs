using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>
/// A connected socket as blocking bytes: nothing of it ever runs on the thread pool. One thread may read while another one writes; any
/// thread may close it, which ends both.
/// </summary>
/// <remarks>
/// The framework's sockets have no write that gathers memory which isn't arrays, and no read that waits in the kernel until its buffer is
/// full. Both halve the number of times that a frame wakes the other side's thread.
/// </remarks>
internal sealed unsafe partial class SocketStream(Socket socket) : Stream
{
    private long _deadline = long.MaxValue;
    private long _lastProgress = Environment.TickCount64;
    private SafeFileHandle? _file;
    private PagePipe? _pages;
    private bool _copies;

    /// <summary>When bytes last moved, as <see cref="Environment.TickCount64"/>.</summary>
    public long LastProgress => Volatile.Read(ref _lastProgress);

    /// <summary>What is to be read and written until <see cref="EndDeadline"/> must be done within this time, all together.</summary>
    public void BeginDeadline(TimeSpan within) => _deadline = Environment.TickCount64 + (long)within.TotalMilliseconds;

    public void EndDeadline()
    {
        _deadline = long.MaxValue;
        (socket.ReceiveTimeout, socket.SendTimeout) = (0, 0);
    }

    public override int Read(Span<byte> buffer) => Receive(buffer, flags: 0);

    /// <summary>Fills the buffer.</summary>
    /// <exception cref="EndOfStreamException">The peer closed the stream.</exception>
    public void ReadWhole(Span<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var read = Receive(buffer, WaitAll);
            if (read == 0) throw new EndOfStreamException();
            buffer = buffer[read..];
        }
    }

    /// <summary>Fills the buffer, and keeps a file that comes with it.</summary>
    /// <exception cref="EndOfStreamException">The peer closed the stream.</exception>
    public void ReadWholeWithFile(Span<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var read = ReceiveWithFile(buffer);
            if (read == 0) throw new EndOfStreamException();
            buffer = buffer[read..];
        }
    }

    /// <summary>The last file that came; it belongs to the caller. Null: none has come since.</summary>
    public SafeFileHandle? TakeFile() => Interlocked.Exchange(ref _file, null);

    public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer, []);

    /// <summary>Writes to a Unix socket, and lends the receiver an open file with the first byte.</summary>
    public void Write(ReadOnlySpan<byte> buffer, SafeHandle file)
    {
        var added = false;
        file.DangerousAddRef(ref added);
        try
        {
            fixed (byte* bytes = buffer)
            {
                var part = new Part(bytes, buffer.Length);
                var control = new Control
                {
                    Length = Control.Size,
                    Level = SocketLevel,
                    Type = Rights,
                    File = (int)file.DangerousGetHandle()
                };
                var message = new Message { Parts = &part, Count = 1, Control = &control, ControlLength = sizeof(Control) };
                nint sent;
                while ((sent = sendmsg(socket.SafeHandle, &message, NoSignal)) < 0) ThrowUnlessInterrupted();
                Write(buffer[(int)sent..]);
            }
        }
        finally
        {
            if (added) file.DangerousRelease();
        }
    }

    /// <summary>Writes two buffers, in one call if the system takes them.</summary>
    public void Write(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) => Write(first, second, NoSignal);

    /// <summary>
    /// Writes two buffers to a TCP socket; the second one must not change until the receiver has it (<see cref="PagePipe"/>). It is copied
    /// where the system can't refer to pages, as in some sandboxes.
    /// </summary>
    public void WritePages(ReadOnlySpan<byte> first, ReadOnlySpan<byte> pages)
    {
        var pipe = _copies ? null : _pages ??= PagePipe.TryCreate();
        if (pipe is null)
        {
            _copies = true;
            Write(first, pages);
            return;
        }

        Write(first, [], NoSignal | More);
        fixed (byte* memory = pages)
        {
            nint taken = 0, sent = 0;
            while (sent < pages.Length)
            {
                var takes = taken == sent;
                var moved = takes
                    ? pipe.Take(memory + taken, pages.Length - taken)
                    : pipe.Send(socket.SafeHandle, taken - sent, more: taken < pages.Length);
                if (moved < 0 && takes && Marshal.GetLastPInvokeError() != Interrupted)
                {
                    _copies = true;
                    Write(pages[(int)sent..], []);
                    return;
                }

                if (moved < 0) ThrowUnlessInterrupted();
                else if (takes) taken += moved;
                else sent += moved;
                Volatile.Write(ref _lastProgress, Environment.TickCount64);
            }
        }
    }

    private void Write(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, int flags)
    {
        fixed (byte* a = first, b = second)
        {
            var parts = stackalloc Part[] { new(a, first.Length), new(b, second.Length) };
            while (parts[0].Length + parts[1].Length > 0)
            {
                if (_deadline != long.MaxValue) socket.SendTimeout = Remaining();
                var message = new Message { Parts = parts, Count = 2 };
                var sent = sendmsg(socket.SafeHandle, &message, flags);
                if (sent < 0)
                {
                    ThrowUnlessInterrupted();
                    continue;
                }

                Volatile.Write(ref _lastProgress, Environment.TickCount64);
                var ofFirst = Math.Min(sent, parts[0].Length);
                parts[0] = new Part(parts[0].Start + ofFirst, parts[0].Length - ofFirst);
                parts[1] = new Part(parts[1].Start + (sent - ofFirst), parts[1].Length - (sent - ofFirst));
            }
        }
    }

    private int Receive(Span<byte> buffer, int flags)
    {
        fixed (byte* bytes = buffer)
        {
            while (true)
            {
                if (_deadline != long.MaxValue) socket.ReceiveTimeout = Remaining();
                var read = recv(socket.SafeHandle, bytes, buffer.Length, flags);
                if (read < 0)
                {
                    ThrowUnlessInterrupted();
                    continue;
                }

                Volatile.Write(ref _lastProgress, Environment.TickCount64);
                return (int)read;
            }
        }
    }

    private int ReceiveWithFile(Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            while (true)
            {
                if (_deadline != long.MaxValue) socket.ReceiveTimeout = Remaining();
                var part = new Part(bytes, buffer.Length);
                var control = default(Control);
                var message = new Message { Parts = &part, Count = 1, Control = &control, ControlLength = Control.Size };
                var read = recvmsg(socket.SafeHandle, &message, WaitAll | CloseOnExec);
                if (read < 0)
                {
                    ThrowUnlessInterrupted();
                    continue;
                }

                if (message.ControlLength >= Control.Size && (control.Level, control.Type) == (SocketLevel, Rights))
                    Interlocked.Exchange(ref _file, new SafeFileHandle(control.File, ownsHandle: true))?.Dispose();
                Volatile.Write(ref _lastProgress, Environment.TickCount64);
                return (int)read;
            }
        }
    }

    private int Remaining() => _deadline - Environment.TickCount64 is > 0 and var left
        ? (int)Math.Min(left, int.MaxValue)
        : throw new SocketException((int)SocketError.TimedOut);

    private static void ThrowUnlessInterrupted()
    {
        const int tryAgain = 11, brokenPipe = 32, connectionReset = 104;
        var error = Marshal.GetLastPInvokeError();
        if (error == Interrupted) return;
        throw error switch
        {
            tryAgain => new SocketException((int)SocketError.TimedOut),
            brokenPipe => new SocketException((int)SocketError.Shutdown),
            connectionReset => new SocketException((int)SocketError.ConnectionReset),
            _ => new IOException(Marshal.GetPInvokeErrorMessage(error)),
        };
    }

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
        _pages?.Dispose();
        TakeFile()?.Dispose();
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

    private const int Interrupted = 4, WaitAll = 0x100, NoSignal = 0x4000, More = 0x8000, CloseOnExec = 0x40000000, SocketLevel = 1,
        Rights = 1;

    /// <summary><c>struct iovec</c>.</summary>
    internal readonly struct Part(byte* start, nint length)
    {
        public readonly byte* Start = start;
        public readonly nint Length = length;
    }

    /// <summary><c>struct msghdr</c> of 64-bit Linux.</summary>
    private struct Message
    {
        public void* Name;
        public uint NameLength;
        public Part* Parts;
        public nint Count;
        public void* Control;
        public nint ControlLength;
        public int Flags;
    }

    /// <summary><c>struct cmsghdr</c> of 64-bit Linux with one descriptor; more than one do not fit, and the kernel closes them.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Control
    {
        public const int Size = 20;
        public nint Length;
        public int Level;
        public int Type;
        public int File;
        private readonly int _padding;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(SafeSocketHandle socket, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(SafeSocketHandle socket, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(SafeSocketHandle socket, void* buffer, nint length, int flags);
}
