using System.Buffers.Binary;

namespace ClipMoe.Model.Images;

/// <summary>The tags of a TIFF's first image that tell its mode; Pillow's table <c>OPEN_INFO</c>.</summary>
internal static class TiffHeader
{
    private const int BitsPerSample = 258, Photometric = 262, SamplesPerPixel = 277, ExtraSamples = 338;
    private const int Unspecified = 0;

    /// <param name="file">A file whose first directory libvips has accepted.</param>
    /// <param name="name">Names the image in errors.</param>
    public static PixelMode ModeOf(ReadOnlySpan<byte> file, string name)
    {
        var tags = ReadTags(file) ?? throw ImageErrors.Damaged(name, ImageFormat.Tiff, file);
        var (bits, samples) = (tags.GetValueOrDefault(BitsPerSample, 1), tags.GetValueOrDefault(SamplesPerPixel, 1));
        return (tags.GetValueOrDefault(Photometric, -1), samples) switch
        {
            (0 or 1, 1) => bits switch
            {
                1 => PixelMode.Bilevel,
                16 => PixelMode.Gray16,
                <= 8 => PixelMode.Gray,
                _ => throw Unsupported(name)
            },
            (0 or 1, 2) => PixelMode.GrayAlpha,
            (2 or 6, 3) => PixelMode.Rgb,
            (2, > 3) => tags.GetValueOrDefault(ExtraSamples, 2) == Unspecified ? PixelMode.Rgb : PixelMode.Rgba,
            (3, 1) => PixelMode.Palette,
            (5, >= 4) => PixelMode.Cmyk,
            _ => throw Unsupported(name),
        };
    }

    private static UserErrorException Unsupported(string name) =>
        ImageErrors.Unsupported(name, ImageFormat.Tiff, "an unusual kind of pixel");

    /// <summary>
    /// The first value of each tag that holds 16- or 32-bit integers; null when the directory does not lie within the file.
    /// </summary>
    private static Dictionary<int, int>? ReadTags(ReadOnlySpan<byte> file)
    {
        var bigEndian = file[0] == (byte)'M';
        var big = file[bigEndian ? 3 : 2] == 43;
        var (countBytes, entryBytes, valueOffset) = big ? (8, 20, 12) : (2, 12, 8);

        var directory = big ? Number(file, 8, 8, bigEndian) : Number(file, 4, 4, bigEndian);
        if (directory is < 8 || directory > file.Length - countBytes) return null;
        var count = Number(file, directory, countBytes, bigEndian);
        if (count < 0 || count > (file.Length - directory - countBytes) / entryBytes) return null;

        var tags = new Dictionary<int, int>();
        for (var i = 0L; i < count; i++)
        {
            var entry = directory + countBytes + i * entryBytes;
            var tag = (int)Number(file, entry, 2, bigEndian);
            var size = Number(file, entry + 2, 2, bigEndian) switch { 3 => 2, 4 => 4, _ => 0 };
            if (size == 0) continue;
            var values = Number(file, entry + 4, big ? 8 : 4, bigEndian);
            var at = entry + valueOffset;
            if (values < 0 || values > (big ? 8 : 4) / size) at = Number(file, at, big ? 8 : 4, bigEndian);
            if (at < 0 || at > file.Length - size) return null;
            tags.TryAdd(tag, (int)Number(file, at, size, bigEndian));
        }

        return tags;
    }

    private static long Number(ReadOnlySpan<byte> file, long offset, int bytes, bool bigEndian)
    {
        var at = file.Slice((int)offset, bytes);
        return (bytes, bigEndian) switch
        {
            (2, false) => BinaryPrimitives.ReadUInt16LittleEndian(at),
            (2, true) => BinaryPrimitives.ReadUInt16BigEndian(at),
            (4, false) => BinaryPrimitives.ReadUInt32LittleEndian(at),
            (4, true) => BinaryPrimitives.ReadUInt32BigEndian(at),
            (_, false) => BinaryPrimitives.ReadInt64LittleEndian(at),
            _ => BinaryPrimitives.ReadInt64BigEndian(at),
        };
    }
}
