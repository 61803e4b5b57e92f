using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>A record of a zip archive and where its bytes lie in the file.</summary>
internal sealed record ZipEntry(string Name, bool Deflated, uint Crc32, long StoredLength, long Length, long DataOffset);

/// <summary>
/// The central directory of a zip archive (zip64 too), so that stored records can be read in place, at any offset. The framework's
/// <see cref="ZipArchive"/> does not tell where a record's bytes begin. Nothing is ever extracted to a path, whatever the records are
/// called.
/// </summary>
internal sealed class ZipDirectory
{
    private const int EndLength = 22, Zip64LocatorLength = 20, Zip64EndLength = 56, EntryLength = 46, LocalHeaderLength = 30;
    private const uint EndSignature = 0x06054b50, Zip64LocatorSignature = 0x07064b50, Zip64EndSignature = 0x06064b50;
    private const uint EntrySignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int MaxEntries = 400_000, MaxDirectoryBytes = 1 << 27;

    /// <summary>Deflate cannot shrink by more; a record that claims more is a bomb.</summary>
    private const long MaxDeflateRatio = 1032;

    private readonly string _path;
    private readonly SafeFileHandle _handle;
    private readonly Dictionary<string, ZipEntry> _entries = [];

    private ZipDirectory(string path, SafeFileHandle handle) => (_path, _handle) = (path, handle);

    public IReadOnlyCollection<ZipEntry> Entries => _entries.Values;

    public ZipEntry? Find(string name) => _entries.GetValueOrDefault(name);

    public static ZipDirectory Read(string path, SafeFileHandle handle)
    {
        var directory = new ZipDirectory(path, handle);
        directory.ReadEntries();
        return directory;
    }

    /// <summary>A whole record, inflated when it is deflated, its checksum verified.</summary>
    public byte[] ReadSmall(ZipEntry entry, int maxLength)
    {
        // Neither can deflate grow a record by an eighth.
        var isPlausible = !entry.Deflated
            || (entry.Length <= entry.StoredLength * MaxDeflateRatio + 64 && entry.StoredLength <= entry.Length + entry.Length / 8 + 64);
        if (entry.Length > maxLength || !isPlausible)
            throw Damaged($"its record {Printable.Quote(entry.Name)} claims {entry.Length} bytes, stored in {entry.StoredLength}");
        var stored = new byte[(int)entry.StoredLength];
        TensorFileReads.ReadExactly(_path, _handle, stored, entry.DataOffset);
        var bytes = entry.Deflated ? Inflate(entry, stored) : stored;
        if (entry.Crc32 != 0 && Crc32.HashToUInt32(bytes) != entry.Crc32) throw WrongChecksum(entry);
        return bytes;
    }

    /// <summary>Reads a stored record through and compares its checksum. A checksum of 0 means that the writer computed none.</summary>
    public void VerifyStored(ZipEntry entry)
    {
        if (entry.Crc32 == 0) return;
        var crc = new Crc32();
        var buffer = new byte[(int)Math.Min(1 << 20, entry.Length)];
        for (var done = 0L; done < entry.Length;)
        {
            var chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.Length - done));
            TensorFileReads.ReadExactly(_path, _handle, chunk, entry.DataOffset + done);
            crc.Append(chunk);
            done += chunk.Length;
        }

        if (crc.GetCurrentHashAsUInt32() != entry.Crc32) throw WrongChecksum(entry);
    }

    public UserErrorException Damaged(string why, Exception? inner = null) =>
        new($"{_path} is not a whole PyTorch archive: {why}; copy or save it again.", inner);

    private UserErrorException WrongChecksum(ZipEntry entry) => Damaged($"its record {Printable.Quote(entry.Name)} fails its checksum");

    private byte[] Inflate(ZipEntry entry, byte[] stored)
    {
        try
        {
            var bytes = new byte[(int)entry.Length];
            using var inflater = new DeflateStream(new MemoryStream(stored), CompressionMode.Decompress);
            inflater.ReadExactly(bytes);
            if (inflater.ReadByte() >= 0) throw Damaged($"its record {Printable.Quote(entry.Name)} is longer than it claims");
            return bytes;
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw Damaged($"its record {Printable.Quote(entry.Name)} does not inflate", e);
        }
    }

    private void ReadEntries()
    {
        var fileLength = RandomAccess.GetLength(_handle);
        var (offset, length, count) = FindDirectory(fileLength);
        var inFile = offset >= 0 && length is >= 0 and <= MaxDirectoryBytes && offset <= fileLength - length;
        if (!inFile || count is < 0 or > MaxEntries || count > length / EntryLength)
            throw Damaged($"its directory claims {count} records in {length} bytes at {offset}");
        var bytes = new byte[(int)length];
        TensorFileReads.ReadExactly(_path, _handle, bytes, offset);
        var rest = (ReadOnlySpan<byte>)bytes;
        for (var i = 0L; i < count; i++)
        {
            if (rest.Length < EntryLength || U32(rest, 0) != EntrySignature) throw Damaged($"entry {i} of its directory is damaged");
            int nameLength = U16(rest, 28), extraLength = U16(rest, 30), total = EntryLength + nameLength + extraLength + U16(rest, 32);
            if (rest.Length < total) throw Damaged($"entry {i} of its directory is cut off");
            var entry = ReadEntry(rest[..total], nameLength, extraLength, offset);
            if (!_entries.TryAdd(entry.Name, entry)) throw Damaged($"it holds two records {Printable.Quote(entry.Name)}");
            rest = rest[total..];
        }
    }

    private (long Offset, long Length, long Count) FindDirectory(long fileLength)
    {
        var tail = new byte[(int)Math.Min(fileLength, EndLength + ushort.MaxValue + Zip64LocatorLength)];
        var tailStart = fileLength - tail.Length;
        TensorFileReads.ReadExactly(_path, _handle, tail, tailStart);
        for (var i = tail.Length - EndLength; i >= 0; i--)
        {
            var end = tail.AsSpan(i);
            if (U32(end, 0) != EndSignature || U16(end, 20) != end.Length - EndLength) continue;
            return i >= Zip64LocatorLength && U32(tail.AsSpan(i - Zip64LocatorLength), 0) == Zip64LocatorSignature
                ? ReadZip64End((long)U64(tail.AsSpan(i - Zip64LocatorLength), 8), fileLength)
                : (U32(end, 16), U32(end, 12), U16(end, 10));
        }

        throw Damaged("the directory at its end is missing");
    }

    private (long Offset, long Length, long Count) ReadZip64End(long position, long fileLength)
    {
        if (position < 0 || position > fileLength - Zip64EndLength) throw Damaged("its zip64 directory lies outside the file");
        var end = new byte[Zip64EndLength];
        TensorFileReads.ReadExactly(_path, _handle, end, position);
        if (U32(end, 0) != Zip64EndSignature) throw Damaged("its zip64 directory is damaged");
        return ((long)U64(end, 48), (long)U64(end, 40), (long)U64(end, 32));
    }

    private ZipEntry ReadEntry(ReadOnlySpan<byte> entry, int nameLength, int extraLength, long directoryOffset)
    {
        var name = Encoding.UTF8.GetString(entry.Slice(EntryLength, nameLength));
        int flags = U16(entry, 8), method = U16(entry, 10);
        if ((flags & 1) != 0 || method is not (0 or 8))
            throw Damaged($"its record {Printable.Quote(name)} is encrypted or compressed by method {method}");
        long stored = U32(entry, 20), length = U32(entry, 24), header = U32(entry, 42);
        ReadZip64Sizes(entry.Slice(EntryLength + nameLength, extraLength), ref length, ref stored, ref header);
        if (stored < 0 || length < 0 || header < 0 || header > directoryOffset - LocalHeaderLength || (method == 0 && stored != length))
            throw Damaged($"its record {Printable.Quote(name)} claims impossible sizes");
        Span<byte> local = stackalloc byte[LocalHeaderLength];
        TensorFileReads.ReadExactly(_path, _handle, local, header);
        var data = header + LocalHeaderLength + U16(local, 26) + U16(local, 28);
        if (U32(local, 0) != LocalSignature || data > directoryOffset || stored > directoryOffset - data)
            throw Damaged($"its record {Printable.Quote(name)} is damaged or cut off");
        return new ZipEntry(name, method == 8, U32(entry, 16), stored, length, data);
    }

    /// <summary>In the zip64 extra field stand, in this order, those of the three numbers that did not fit 32 bits.</summary>
    private void ReadZip64Sizes(ReadOnlySpan<byte> extra, ref long length, ref long stored, ref long header)
    {
        while (extra.Length >= 4)
        {
            int id = U16(extra, 0), size = U16(extra, 2);
            if (size > extra.Length - 4) return;
            var field = extra.Slice(4, size);
            extra = extra[(4 + size)..];
            if (id != 1) continue;
            Take(ref field, ref length);
            Take(ref field, ref stored);
            Take(ref field, ref header);
        }

        static void Take(ref ReadOnlySpan<byte> field, ref long value)
        {
            if (value != uint.MaxValue || field.Length < 8) return;
            value = (long)U64(field, 0);
            field = field[8..];
        }
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);
    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
