using System.Buffers.Text;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.Datasets;

/// <param name="Start">Offset of its bytes in the tar file.</param>
internal readonly record struct TarMember(string Name, long Start, long Length);

/// <summary>
/// The regular files in a tar (old, ustar, GNU and pax headers), found by reading headers only. System.Formats.Tar is not used here
/// because it allocates whatever a damaged header claims.
/// </summary>
internal sealed class TarEntries : IDisposable
{
    private const int Block = 512;
    private const int MaxNameBytes = 64 << 10, MaxPaxBytes = 1 << 20;

    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly long _length;
    private readonly byte[] _window = new byte[16 * Block];
    private long _windowStart = -1;
    private int _windowLength;

    public TarEntries(string path)
    {
        _path = path;
        _file = File.OpenHandle(path);
        _length = RandomAccess.GetLength(_file);
    }

    public void Dispose() => _file.Dispose();

    /// <exception cref="UserErrorException">The file is truncated, damaged or no tar.</exception>
    public IEnumerable<TarMember> Read()
    {
        string? longName = null;
        Dictionary<string, string>? pax = null;
        var at = 0L;
        while (at < _length)
        {
            var header = Header(at);
            if (!header.AsSpan().ContainsAnyExcept((byte)0))
                yield break;
            CheckSum(header, at);
            var type = (char)header[156];
            var start = at + Block;
            var length = Size(header, at);
            if (pax?.GetValueOrDefault("size") is { } paxSize && !IsExtension(type))
                length = long.TryParse(paxSize, out var size) && size >= 0 ? size : throw Damaged(at, $"a size of \"{paxSize}\"");
            if (length > _length - start)
                throw new UserErrorException(
                    $"{_path} is truncated: the entry at byte {at} needs {length} bytes and only {_length - start} follow: get the file " +
                    $"again.");
            at = start + (length + Block - 1) / Block * Block;
            switch (type)
            {
                case 'L':
                    longName = Text(Bytes(start, length, MaxNameBytes, "name"));
                    continue;
                case 'x':
                    pax = Pax(Bytes(start, length, MaxPaxBytes, "pax header"), start);
                    continue;
                case 'K' or 'g':
                    continue;
                case 'S':
                    throw new UserErrorException(
                        $"{_path} has a sparse file at byte {start - Block}, which can't be read: pack it again without --sparse.");
                case '0' or '7' or '\0':
                    yield return new TarMember(pax?.GetValueOrDefault("path") ?? longName ?? ShortName(header), start, length);
                    break;
            }

            (longName, pax) = (null, null);
        }

        throw new UserErrorException($"{_path} is truncated: the two empty blocks that end a tar are missing: get the file again.");
    }

    private static bool IsExtension(char type) => type is 'L' or 'K' or 'x' or 'g';

    private byte[] Header(long at)
    {
        if (_length - at < Block)
            throw new UserErrorException($"{_path} is truncated: half a header at its end (byte {at}): get the file again.");
        if (at < _windowStart || at + Block > _windowStart + _windowLength)
        {
            _windowStart = at;
            _windowLength = 0;
            while (_windowLength < Block)
            {
                var n = RandomAccess.Read(_file, _window.AsSpan(_windowLength), at + _windowLength);
                _windowLength += n > 0 ? n : throw new UserErrorException($"{_path} became shorter while it was read: try again.");
            }
        }

        return _window.AsSpan((int)(at - _windowStart), Block).ToArray();
    }

    private void CheckSum(byte[] header, long at)
    {
        var sum = 0L;
        for (var i = 0; i < Block; i++)
            sum += i is >= 148 and < 156 ? (byte)' ' : header[i];
        if (Octal(header.AsSpan(148, 8)) != sum)
            throw at == 0
                ? new UserErrorException($"{_path} is no tar file (compressed ones must be unpacked to .tar).")
                : Damaged(at, "a wrong checksum");
    }

    /// <summary>Octal digits, or a big-endian number when the first bit is set (GNU, for 8 GiB and more).</summary>
    private long Size(byte[] header, long at)
    {
        var field = header.AsSpan(124, 12);
        if ((field[0] & 0x80) == 0)
            return Octal(field) is { } size ? size : throw Damaged(at, "no size");
        var value = (Int128)(field[0] & 0x7F);
        foreach (var b in field[1..])
            value = (value << 8) | b;
        return value <= long.MaxValue ? (long)value : throw Damaged(at, "an impossible size");
    }

    private static long? Octal(ReadOnlySpan<byte> field)
    {
        var value = 0L;
        foreach (var digit in field.Trim([(byte)' ', (byte)0]))
            value = digit is >= (byte)'0' and <= (byte)'7' ? value * 8 + digit - '0' : -1;
        return value >= 0 ? value : null;
    }

    private byte[] Bytes(long start, long length, int max, string what) => length <= max
        ? SampleFile.ReadRange(_file, start, (int)length)
        : throw Damaged(start - Block, $"a {what} of {length} bytes");

    /// <summary>Records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record.</summary>
    private Dictionary<string, string> Pax(ReadOnlySpan<byte> bytes, long at)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        while (bytes.Length > 0 && bytes[0] != 0)
        {
            if (!Utf8Parser.TryParse(bytes, out int length, out var digits) || length <= digits + 2 || length > bytes.Length)
                throw Damaged(at, "a pax header that makes no sense");
            var record = Encoding.UTF8.GetString(bytes[(digits + 1)..(length - 1)]);
            var equals = record.IndexOf('=');
            if (equals > 0)
                values[record[..equals]] = record[(equals + 1)..];
            bytes = bytes[length..];
        }

        return values;
    }

    private static string ShortName(byte[] header)
    {
        var name = Text(header.AsSpan(0, 100));
        var isUstar = header.AsSpan(257, 6).SequenceEqual("ustar\0"u8);
        var prefix = isUstar ? Text(header.AsSpan(345, 155)) : "";
        return prefix.Length == 0 ? name : $"{prefix}/{name}";
    }

    private static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    private UserErrorException Damaged(long at, string what) =>
        new($"{_path} is damaged: {what} in the entry at byte {at}: get the file again.");
}
