using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using ClipMoe.Model.Files;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>
/// Writes a zip archive of stored records as PyTorch lays it out: data at multiples of 64 bytes, zip64 where sizes need it.
/// </summary>
internal sealed class ZipRecords(AtomicFile file, string root)
{
    private const int Alignment = 64, LocalHeaderLength = 30, CrcOffset = 14, Zip64FieldLength = 20;

    /// <summary>PyTorch's mark of an extra field that only fills up ("FB").</summary>
    private const ushort PaddingField = 0x4246, Zip64Field = 1;

    /// <summary>Version 4.5 of the format, the first with zip64.</summary>
    private const ushort Version = 45;

    private readonly List<(byte[] Name, uint Crc32, long Length, long Header)> _records = [];
    private long _end, _data;

    public void Add(string name, ReadOnlySpan<byte> bytes)
    {
        Open(name, bytes.Length);
        WriteData(0, bytes);
        Close(Crc32.HashToUInt32(bytes));
    }

    public void Open(string name, long length)
    {
        var utf8 = Encoding.UTF8.GetBytes($"{root}/{name}");
        var zip64 = length >= uint.MaxValue ? Zip64FieldLength : 0;
        var begin = _end + LocalHeaderLength + utf8.Length + zip64;
        var padding = (int)((begin + 4 + Alignment - 1) / Alignment * Alignment - begin);
        var header = new byte[LocalHeaderLength + utf8.Length + zip64 + padding];
        var size = zip64 > 0 ? uint.MaxValue : (uint)length;
        U32(header, 0, 0x04034b50);
        U16(header, 4, Version);
        U16(header, 6, 1 << 11);
        U32(header, 18, size);
        U32(header, 22, size);
        U16(header, 26, (ushort)utf8.Length);
        U16(header, 28, (ushort)(zip64 + padding));
        utf8.CopyTo(header, LocalHeaderLength);
        var extra = header.AsSpan(LocalHeaderLength + utf8.Length);
        if (zip64 > 0) WriteZip64(ref extra, length, length);
        U16(extra, 0, PaddingField);
        U16(extra, 2, (ushort)(padding - 4));
        file.WriteAt(_end, header);
        _records.Add((utf8, 0, length, _end));
        _data = _end + header.Length;
        _end = _data + length;
    }

    public void WriteData(long offset, ReadOnlySpan<byte> bytes) => file.WriteAt(_data + offset, bytes);

    /// <summary>Fills in the checksum, which is known only when all of the record is written.</summary>
    public void Close(uint crc32)
    {
        _records[^1] = _records[^1] with { Crc32 = crc32 };
        file.WriteAt(_records[^1].Header + CrcOffset, BitConverter.GetBytes(crc32));
    }

    public void WriteDirectory()
    {
        var start = _end;
        foreach (var record in _records) Append(DirectoryEntry(record));
        var length = _end - start;
        var zip64 = start >= uint.MaxValue || length >= uint.MaxValue || _records.Count >= ushort.MaxValue;
        if (zip64) Append(Zip64End(start, length));
        var end = new byte[22];
        var count = (ushort)Math.Min(_records.Count, ushort.MaxValue);
        U32(end, 0, 0x06054b50);
        U16(end, 8, count);
        U16(end, 10, count);
        U32(end, 12, (uint)Math.Min(length, uint.MaxValue));
        U32(end, 16, (uint)Math.Min(start, uint.MaxValue));
        Append(end);
    }

    private static byte[] DirectoryEntry((byte[] Name, uint Crc32, long Length, long Header) record)
    {
        long[] large = [.. record.Length >= uint.MaxValue ? [record.Length, record.Length] : Array.Empty<long>(),
            .. record.Header >= uint.MaxValue ? [record.Header] : Array.Empty<long>()];
        var extraLength = large.Length == 0 ? 0 : 4 + 8 * large.Length;
        var entry = new byte[46 + record.Name.Length + extraLength];
        U32(entry, 0, 0x02014b50);
        U16(entry, 4, Version);
        U16(entry, 6, Version);
        U16(entry, 8, 1 << 11);
        U32(entry, 16, record.Crc32);
        U32(entry, 20, (uint)Math.Min(record.Length, uint.MaxValue));
        U32(entry, 24, (uint)Math.Min(record.Length, uint.MaxValue));
        U16(entry, 28, (ushort)record.Name.Length);
        U16(entry, 30, (ushort)extraLength);
        U32(entry, 42, (uint)Math.Min(record.Header, uint.MaxValue));
        record.Name.CopyTo(entry, 46);
        var extra = entry.AsSpan(46 + record.Name.Length);
        if (large.Length > 0) WriteZip64(ref extra, large);
        return entry;
    }

    private byte[] Zip64End(long start, long length)
    {
        var end = new byte[56 + 20];
        U32(end, 0, 0x06064b50);
        U64(end, 4, 56 - 12);
        U16(end, 12, Version);
        U16(end, 14, Version);
        U64(end, 24, _records.Count);
        U64(end, 32, _records.Count);
        U64(end, 40, length);
        U64(end, 48, start);
        U32(end, 56, 0x07064b50);
        U64(end, 64, _end);
        U32(end, 72, 1);
        return end;
    }

    private static void WriteZip64(ref Span<byte> extra, params ReadOnlySpan<long> values)
    {
        U16(extra, 0, Zip64Field);
        U16(extra, 2, (ushort)(8 * values.Length));
        for (var i = 0; i < values.Length; i++) U64(extra, 4 + 8 * i, values[i]);
        extra = extra[(4 + 8 * values.Length)..];
    }

    private void Append(byte[] bytes)
    {
        file.WriteAt(_end, bytes);
        _end += bytes.Length;
    }

    private static void U16(Span<byte> bytes, int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes[at..], value);
    private static void U32(Span<byte> bytes, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[at..], value);
    private static void U64(Span<byte> bytes, int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(bytes[at..], value);
}
