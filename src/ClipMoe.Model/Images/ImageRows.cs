namespace ClipMoe.Model.Images;

/// <summary>
/// An image whose header has been read and believed, and whose rows are decoded on demand, top to bottom. Used by one thread.
/// </summary>
internal abstract class ImageRows(ImageFormat format, PixelLayout layout, int width, int height) : IDisposable
{
    /// <summary>Larger strips are slower: glibc may give their memory back to the system each time.</summary>
    private const int StripBytes = 32_000;

    /// <summary>libvips decodes so many rows at once.</summary>
    private const int MinStripRows = 8;

    public ImageFormat Format => format;

    public PixelLayout Layout => layout;

    public int Width => width;

    public int Height => height;

    public int RowBytes => checked(width * layout.Stride);

    /// <summary>Rows worth decoding at once.</summary>
    public int RowsPerStrip => Math.Min(height, Math.Max(MinStripRows, StripBytes / RowBytes / MinStripRows * MinStripRows));

    /// <summary>
    /// Rows <paramref name="top"/> … <paramref name="top"/> + <paramref name="count"/> − 1, each <see cref="RowBytes"/> long. Call with
    /// increasing <paramref name="top"/>; the bytes are valid until the next call.
    /// </summary>
    /// <exception cref="UserErrorException">The pixels are damaged or cut short.</exception>
    public abstract ReadOnlySpan<byte> Read(int top, int count);

    public abstract void Dispose();
}
