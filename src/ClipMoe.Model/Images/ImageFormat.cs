using System.Buffers.Binary;

namespace ClipMoe.Model.Images;

/// <summary>The image file formats that are read; the file's first bytes decide, never its name.</summary>
public enum ImageFormat { Jpeg, Png, WebP, Gif, Bmp, Tiff }

internal static class ImageFormats
{
    public static ImageFormat? Detect(ReadOnlySpan<byte> file) => file switch
    {
        [0xFF, 0xD8, 0xFF, ..] => ImageFormat.Jpeg,
        [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => ImageFormat.Png,
        [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'E', (byte)'B', (byte)'P', ..] => ImageFormat.WebP,
        [(byte)'G', (byte)'I', (byte)'F', (byte)'8', (byte)'7' or (byte)'9', (byte)'a', ..] => ImageFormat.Gif,
        [(byte)'B', (byte)'M', ..] => ImageFormat.Bmp,
        [(byte)'I', (byte)'I', 42 or 43, 0, ..] or [(byte)'M', (byte)'M', 0, 42 or 43, ..] => ImageFormat.Tiff,
        _ => null,
    };

    public static string DisplayName(this ImageFormat format) => format == ImageFormat.WebP ? "WebP" : format.ToString().ToUpperInvariant();

    /// <summary>
    /// Whether the file's end is missing, as far as its format tells without decoding: only used to word an error, since the decoder has
    /// already refused the file.
    /// </summary>
    public static bool LacksItsEnd(this ImageFormat format, ReadOnlySpan<byte> file) => format switch
    {
        ImageFormat.Jpeg => file.LastIndexOf([(byte)0xFF, (byte)0xD9]) < 0,
        ImageFormat.Png => file.LastIndexOf("IEND"u8) < 0,
        ImageFormat.WebP => file.Length < 12 || BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L > file.Length,
        _ => false,
    };
}
