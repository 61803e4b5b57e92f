namespace ClipMoe.Model.Images;

/// <summary>
/// What Pillow makes of a PNG. libvips turns palettes into colors and a transparent color into opacity, which Pillow does not.
/// </summary>
internal static class PngHeader
{
    private const int BitDepthOffset = 24, ColorTypeOffset = 25;

    /// <param name="file">A file whose IHDR chunk libvips has accepted.</param>
    public static PixelMode ModeOf(ReadOnlySpan<byte> file) => (file[ColorTypeOffset], file[BitDepthOffset]) switch
    {
        (0, 1) => PixelMode.Bilevel,
        (0, 16) => PixelMode.Gray16,
        (0, _) => PixelMode.Gray,
        (3, _) => PixelMode.Palette,
        (4, _) => PixelMode.GrayAlpha,
        (6, _) => PixelMode.Rgba,
        _ => PixelMode.Rgb,
    };
}
