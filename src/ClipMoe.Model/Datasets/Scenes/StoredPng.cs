using System.Buffers.Binary;
using ClipMoe.Model.Images;

namespace ClipMoe.Model.Datasets.Scenes;

/// <summary>
/// PNG with stored (uncompressed) blocks: the bytes depend on nothing but the pixels, while a compressor's change with its version, and the
/// data set's fingerprint with them.
/// </summary>
internal static class StoredPng
{
    /// <param name="rgb">[height, width, 3]; at most 65,535 bytes including one for each row.</param>
    public static byte[] Encode(ReadOnlySpan<byte> rgb, int width, int height)
    {
        var raw = new byte[height * (1 + width * 3)];
        for (var y = 0; y < height; y++)
            rgb.Slice(y * width * 3, width * 3).CopyTo(raw.AsSpan(y * (1 + width * 3) + 1));

        // zlib header, then one final stored deflate block (length, its complement, the bytes), then Adler-32.
        var zlib = new byte[7 + raw.Length + 4];
        (zlib[0], zlib[1], zlib[2]) = (0x78, 0x01, 0x01);
        BinaryPrimitives.WriteUInt16LittleEndian(zlib.AsSpan(3), checked((ushort)raw.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(zlib.AsSpan(5), (ushort)~raw.Length);
        raw.CopyTo(zlib, 7);
        BinaryPrimitives.WriteUInt32BigEndian(zlib.AsSpan(7 + raw.Length), Adler32(raw));

        return PngEncoder.Assemble(zlib, width, height);
    }

    private static uint Adler32(ReadOnlySpan<byte> bytes)
    {
        uint a = 1, b = 0;
        foreach (var value in bytes)
        {
            a = (a + value) % 65521;
            b = (b + a) % 65521;
        }

        return (b << 16) | a;
    }
}
