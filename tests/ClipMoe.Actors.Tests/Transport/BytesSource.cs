using ClipMoe.Actors.Transport.Fetching;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>The same bytes under every key.</summary>
/// <param name="reading">Called before each read with its offset; may throw.</param>
internal sealed class BytesSource(byte[] bytes, Action<long>? reading = null) : IBulkSource, IBulkContent
{
    public IBulkContent Open(string key) => this;

    public long Length => bytes.Length;

    public void Read(long offset, Span<byte> destination)
    {
        reading?.Invoke(offset);
        bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
    }

    public void Dispose()
    {
    }
}
