using System.Runtime.InteropServices;
using NetVips;

namespace ClipMoe.Model.Images;

/// <summary>What an image file's header says.</summary>
public sealed record ImageInfo(ImageFormat Format, PixelMode Mode, int Width, int Height);

/// <summary>
/// A whole image as RGB: [<paramref name="Height"/>, <paramref name="Width"/>, 3] bytes, as Pillow's <c>convert("RGB")</c> gives.
/// </summary>
public sealed record DecodedImage(PixelMode Mode, int Width, int Height, byte[] Pixels);

/// <summary>
/// Decodes image files: JPEG, PNG, WebP and TIFF by libvips, the first frame of GIF and BMP here. Orientation tags, color profiles and
/// gamma are ignored, as the reference does. All members may be called on several threads at once.
/// </summary>
public static class ImageDecoder
{
    /// <summary>Images claiming more pixels are refused before anything is decoded. Pillow's limit, and so the reference's.</summary>
    public const long MaxPixels = 2L * (1024 * 1024 * 1024 / 4 / 3);

    /// <summary>Beyond this, sizes in bytes would no longer fit an array.</summary>
    private const long MaxPixelLimit = int.MaxValue / 8;

    /// <summary>Reads only the header.</summary>
    /// <param name="file">The file's bytes.</param>
    /// <param name="name">Names the image in errors.</param>
    /// <exception cref="UserErrorException">Not an image of a format that is read, damaged, or larger than
    /// <see cref="MaxPixels"/>.</exception>
    public static ImageInfo Inspect(ReadOnlyMemory<byte> file, string name = "the image")
    {
        using var rows = Open(file, name);
        return new ImageInfo(rows.Format, rows.Layout.Mode, rows.Width, rows.Height);
    }

    /// <summary>Decodes every pixel and keeps none: whether an image is whole.</summary>
    /// <inheritdoc cref="Inspect"/>
    public static ImageInfo Check(ReadOnlyMemory<byte> file, string name = "the image")
    {
        using var rows = Open(file, name);
        for (var top = 0; top < rows.Height; top += rows.RowsPerStrip) rows.Read(top, Math.Min(rows.RowsPerStrip, rows.Height - top));
        return new ImageInfo(rows.Format, rows.Layout.Mode, rows.Width, rows.Height);
    }

    /// <summary>Decodes a whole image to RGB.</summary>
    /// <inheritdoc cref="Inspect"/>
    public static DecodedImage Decode(ReadOnlyMemory<byte> file, string name = "the image")
    {
        using var rows = Open(file, name);
        var pixels = new byte[checked(rows.Width * rows.Height * 3)];
        var expanded = new uint[rows.Width];
        for (var top = 0; top < rows.Height; top += rows.RowsPerStrip)
        {
            var count = Math.Min(rows.RowsPerStrip, rows.Height - top);
            var strip = rows.Read(top, count);
            for (var y = 0; y < count; y++)
            {
                PixelConversion.Expand(strip.Slice(y * rows.RowBytes, rows.RowBytes), rows.Layout, PixelTreatment.Rgb, expanded);
                PixelConversion.ToInterleaved(expanded, pixels.AsSpan((top + y) * rows.Width * 3, rows.Width * 3));
            }
        }

        return new DecodedImage(rows.Layout.Mode, rows.Width, rows.Height, pixels);
    }

    /// <summary>Reads the header, checks the size, and leaves the pixels to be decoded row by row.</summary>
    internal static ImageRows Open(ReadOnlyMemory<byte> file, string name, long maxPixels = MaxPixels)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxPixels, MaxPixelLimit);
        var format = ImageFormats.Detect(file.Span) ?? throw ImageErrors.NoImage(name, file.Span);
        return format switch
        {
            ImageFormat.Gif => GifRows.Open(file.Span, name, maxPixels),
            ImageFormat.Bmp => BmpRows.Open(file, name, maxPixels),
            _ => VipsRows.Open(format, WholeArray(file), name, maxPixels),
        };
    }

    internal static void CheckSize(string name, long width, long height, long maxPixels)
    {
        if (width * height > maxPixels) throw ImageErrors.TooLarge(name, width, height, maxPixels);
    }

    private static byte[] WholeArray(ReadOnlyMemory<byte> file) =>
        MemoryMarshal.TryGetArray(file, out var segment) && segment.Offset == 0 && segment.Count == segment.Array!.Length
            ? segment.Array : file.ToArray();
}
