using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using NetVips;

namespace ClipMoe.Model.Tests.Images;

/// <summary>
/// Image files made here, so that tests need no fixtures: libvips writes what it can, the rest is put together byte by byte.
/// </summary>
internal static class SampleImages
{
    private static readonly byte[] PngSignature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Deterministic noise.</summary>
    public static byte[] Noise(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static byte[] Jpeg(int width, int height) => Save(width, height, ".jpg[Q=90]");

    public static byte[] WebP(int width, int height) => Save(width, height, ".webp[lossless]");

    public static byte[] Tiff(int width, int height) => Save(width, height, ".tif[compression=lzw]");

    /// <summary>A PNG of any kind.</summary>
    /// <param name="samples">The rows, packed as the kind demands, without filter bytes.</param>
    public static byte[] Png(int width, int height, byte bitDepth, byte colorType, byte[] samples,
        params (string Type, byte[] Data)[] extra)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (bitDepth, colorType);
        return [.. PngSignature, .. Chunk("IHDR", header), .. extra.SelectMany(c => Chunk(c.Type, c.Data)),
            .. Chunk("IDAT", Deflate(samples, height)), .. Chunk("IEND", [])];
    }

    /// <summary>A GIF with one uncompressed frame (a clear code before every few pixels), at an offset within a larger screen.</summary>
    public static byte[] Gif(byte[] palette, byte[] indices, int width, int height, int left = 0, int top = 0, byte? transparent = null)
    {
        var bits = int.Log2(palette.Length / 3);
        var codes = new List<(int Code, int Width)>();
        for (var i = 0; i < indices.Length; i++)
        {
            // Before the table could grow enough for wider codes, it is cleared.
            if (i % ((1 << bits) - 2) == 0) codes.Add((1 << bits, bits + 1));
            codes.Add((indices[i], bits + 1));
        }

        codes.Add(((1 << bits) + 1, bits + 1));
        var data = Pack(codes);
        return
        [
            .. "GIF89a"u8, .. Word(left + width), .. Word(top + height), (byte)(0x80 | (bits - 1)), 0, 0, .. palette,
            .. transparent is { } index ? (byte[])[0x21, 0xF9, 4, 1, 0, 0, index, 0] : [],
            0x2C, .. Word(left), .. Word(top), .. Word(width), .. Word(height), 0, (byte)bits,
            .. data.Chunk(255).SelectMany(block => (byte[])[(byte)block.Length, .. block]), 0, 0x3B,
        ];
    }

    /// <summary>An uncompressed bitmap with the usual header of 40 bytes.</summary>
    /// <param name="rows">Rows as they lie in the file, padded to multiples of four bytes.</param>
    public static byte[] Bmp(int width, int height, int bits, byte[] palette, byte[] rows)
    {
        var header = new byte[54];
        "BM"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(10), 54 + palette.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(18), width);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(22), height);
        header[26] = 1;
        header[28] = (byte)bits;
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(46), palette.Length / 4);
        return [.. header, .. palette, .. rows];
    }

    private static byte[] Save(int width, int height, string options)
    {
        using var image = Image.NewFromMemory(Noise(width * height * 3), width, height, 3, Enums.BandFormat.Uchar);
        return image.WriteToBuffer(options);
    }

    private static byte[] Chunk(string type, byte[] data)
    {
        byte[] body = [.. type.Select(c => (byte)c), .. data];
        var (length, checksum) = (new byte[4], new byte[4]);
        BinaryPrimitives.WriteInt32BigEndian(length, data.Length);
        BinaryPrimitives.WriteUInt32BigEndian(checksum, Crc32.HashToUInt32(body));
        return [.. length, .. body, .. checksum];
    }

    private static byte[] Deflate(byte[] samples, int height)
    {
        using var compressed = new MemoryStream();
        using (var zlib = new ZLibStream(compressed, CompressionLevel.Fastest))
        {
            foreach (var row in samples.Chunk(Math.Max(1, samples.Length / height)))
            {
                zlib.WriteByte(0);
                zlib.Write(row);
            }
        }

        return compressed.ToArray();
    }

    private static byte[] Pack(List<(int Code, int Width)> codes)
    {
        var bits = codes.SelectMany(c => Enumerable.Range(0, c.Width).Select(i => (c.Code >> i) & 1)).ToList();
        return [.. bits.Chunk(8).Select(byteBits => (byte)byteBits.Select((bit, i) => bit << i).Sum())];
    }

    private static byte[] Word(int value) => [(byte)value, (byte)(value >> 8)];
}
