using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace ClipMoe.Model.Images;

/// <summary>Writes 8-bit RGB pictures as PNG (https://www.w3.org/TR/png-3).</summary>
public static class PngEncoder
{
    private const byte Rgb = 2, FilterUp = 2;

    /// <param name="rgb">[height, width, 3]</param>
    /// <param name="width">Pixels in a row.</param>
    /// <param name="height">Rows.</param>
    /// <returns>The file's bytes.</returns>
    public static byte[] Encode(ReadOnlySpan<byte> rgb, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNotEqual(rgb.Length, checked(width * height * 3));
        return Assemble(Compress(rgb, width * 3), width, height);
    }

    /// <summary>The file around pixels that are compressed already.</summary>
    /// <param name="zlib">Each row's filter type and bytes, as a zlib stream.</param>
    /// <param name="width">Pixels in a row.</param>
    /// <param name="height">Rows.</param>
    internal static byte[] Assemble(ReadOnlySpan<byte> zlib, int width, int height)
    {
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        (header[8], header[9]) = (8, Rgb);

        using var png = new MemoryStream();
        png.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        WriteChunk(png, "IHDR"u8, header);
        WriteChunk(png, "IDAT"u8, zlib);
        WriteChunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    /// <summary>A chunk: length, type, data, checksum.</summary>
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

    private static ReadOnlySpan<byte> Compress(ReadOnlySpan<byte> rgb, int rowBytes)
    {
        var compressed = new MemoryStream();
        using (var zlib = new ZLibStream(compressed, CompressionLevel.Optimal, leaveOpen: true))
        {
            var row = new byte[1 + rowBytes];
            row[0] = FilterUp;
            for (var top = 0; top < rgb.Length; top += rowBytes)
            {
                for (var x = 0; x < rowBytes; x++) row[1 + x] = (byte)(rgb[top + x] - (top == 0 ? 0 : rgb[top - rowBytes + x]));
                zlib.Write(row);
            }
        }

        return compressed.GetBuffer().AsSpan(0, (int)compressed.Length);
    }
}
