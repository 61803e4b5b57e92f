using System.Buffers.Binary;
using System.IO.Hashing;

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

        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        (header[8], header[9]) = (8, 2);

        using var png = new MemoryStream();
        png.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        WriteChunk(png, "IHDR"u8, header);
        WriteChunk(png, "IDAT"u8, zlib);
        WriteChunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    private static void WriteChunk(MemoryStream png, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        png.Write(number);
        png.Write(type);
        png.Write(data);
        var crc = new Crc32();
        crc.Append(type);
        crc.Append(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, crc.GetCurrentHashAsUInt32());
        png.Write(number);
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
