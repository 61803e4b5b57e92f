using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.Native;

/// <summary>
/// Floats that other processes of this host can map: an anonymous file (<c>memfd_create</c>) without a name to leave behind, gone with the
/// last process that has it. Its size is sealed before any other process sees it, so no access to a mapping of it can fault.
/// </summary>
public sealed unsafe partial class SharedMemory : MemoryManager<float>
{
    private static long _created;

    private readonly float* _first;
    private readonly int _length;
    private bool _disposed;

    private SharedMemory(SafeFileHandle file, int length, int protection)
    {
        (File, _length) = (file, length);
        if (length == 0) return;
        const int shared = 1;
        const nint failed = -1;
        var address = mmap(0, Bytes, protection, shared, file, 0);
        if (address == failed) throw new IOException(
            $"{Bytes} bytes of shared memory can't be mapped: {Marshal.GetLastPInvokeErrorMessage()}");
        _first = (float*)address;
    }

    /// <summary>Unique among those that this process created; 0 for another process's.</summary>
    public long Id { get; private init; }

    /// <summary>What another process needs to map it.</summary>
    public SafeFileHandle File { get; }

    private nint Bytes => (nint)_length * sizeof(float);

    /// <summary>New memory, zero at first.</summary>
    /// <exception cref="IOException">The system has none to give.</exception>
    public static SharedMemory Create(int length)
    {
        const uint closeOnExec = 1, allowSealing = 2;
        var file = new SafeFileHandle(memfd_create("clipmoe", closeOnExec | allowSealing), ownsHandle: true);
        try
        {
            if (file.IsInvalid) throw new IOException($"shared memory can't be made: {Marshal.GetLastPInvokeErrorMessage()}");
            RandomAccess.SetLength(file, (long)length * sizeof(float));
            if (fcntl(file, AddSeals, SealSeal | SizeSeals) < 0)
                throw new IOException($"shared memory can't be sealed: {Marshal.GetLastPInvokeErrorMessage()}");
            return new SharedMemory(file, length, ProtectRead | ProtectWrite) { Id = Interlocked.Increment(ref _created) };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Maps what another process created, for reading. The file belongs to the result, or is closed.</summary>
    /// <exception cref="InvalidDataException">It hasn't this length, or could lose it.</exception>
    public static SharedMemory Open(SafeFileHandle file, int length)
    {
        try
        {
            // Less than 0 for what can't be sealed.
            var seals = fcntl(file, GetSeals, 0);
            if (seals < 0 || (seals & SizeSeals) != SizeSeals) throw new InvalidDataException("lent memory whose size isn't sealed");
            if (RandomAccess.GetLength(file) is var bytes && bytes != (long)length * sizeof(float))
                throw new InvalidDataException($"lent memory of {bytes} bytes for {length} floats");
            return new SharedMemory(file, length, ProtectRead);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>What this memory is the whole of; null where it is something else's.</summary>
    public static SharedMemory? Find(ReadOnlyMemory<float> memory) =>
        MemoryMarshal.TryGetMemoryManager<float, SharedMemory>(memory, out var shared, out var start, out var length)
            && (start, length) == (0, shared._length) ? shared : null;

    public override Span<float> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Span<float>(_first, _length);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_first + elementIndex);

    public override void Unpin()
    {
    }

    public void Dispose() => ((IDisposable)this).Dispose();

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        if (_length > 0) munmap((nint)_first, Bytes);
        File.Dispose();
    }

    private const int ProtectRead = 1, ProtectWrite = 2, AddSeals = 1033, GetSeals = 1034, SealSeal = 1, SizeSeals = 2 | 4;

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle file, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nint length, int protection, int flags, SafeFileHandle file, nint offset);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nint length);
}
