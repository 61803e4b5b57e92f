namespace ClipMoe.Model.Parameters;

/// <summary>Copies a tensor through a buffer of a few megabytes, however large it is.</summary>
internal static class BufferedCopy
{
    private const int Chunk = 1 << 20;

    public delegate void Reader(long offset, Span<float> destination);

    public delegate void Writer(long offset, ReadOnlySpan<float> source);

    /// <param name="count">Floats of the tensor, from offset 0 on.</param>
    public static void Run(long count, Reader read, Writer write)
    {
        var buffer = new float[(int)Math.Min(Chunk, count)];
        for (var done = 0L; done < count; done += Chunk)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(Chunk, count - done));
            read(done, part);
            write(done, part);
        }
    }
}
