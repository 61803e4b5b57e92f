namespace ClipMoe.Model.Images;

/// <summary>
/// An image whose header has been read and believed, and whose rows are decoded on demand, top to bottom. Used by one thread.
/// </summary>
internal abstract class ImageRows(ImageFormat format, PixelLayout layout, int width, int height) : IDisposable
{
    /// <summary>A strip stays below the size from which .NET would put it into its large-object heap.</summary>
    private const int StripBytes = 80_000;

    public ImageFormat Format => format;

    public PixelLayout Layout => layout;

    public int Width => width;

    public int Height => height;

    public int RowBytes => checked(width * layout.Stride);

    /// <summary>Rows worth decoding at once; a multiple of 8, the height of a JPEG's blocks, where memory allows.</summary>
    public int RowsPerStrip => StripBytes / RowBytes < 8 ? Math.Max(1, StripBytes / RowBytes) : StripBytes / RowBytes & ~7;

    /// <summary>
    /// Rows <paramref name="top"/> … <paramref name="top"/> + <paramref name="count"/> − 1, each <see cref="RowBytes"/> long. Call with
    /// increasing <paramref name="top"/>; the bytes are valid until the next call.
    /// </summary>
    /// <exception cref="UserErrorException">The pixels are damaged or cut short.</exception>
    public abstract ReadOnlySpan<byte> Read(int top, int count);

    public abstract void Dispose();
}
