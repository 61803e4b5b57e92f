using System.Buffers;
using System.Runtime.InteropServices;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>Memory of numbers, seen as memory of their bytes.</summary>
internal sealed class ByteView<T>(ReadOnlyMemory<T> values) : MemoryManager<byte>
    where T : unmanaged
{
    public override Span<byte> GetSpan() => MemoryMarshal.AsBytes(MemoryMarshal.AsMemory(values).Span);

    public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
