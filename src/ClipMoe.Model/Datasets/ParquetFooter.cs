using System.Buffers.Binary;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// A check of a Parquet file's footer before Parquet.Net 6.1 sees it: that package reads 0xFF for ever behind the end of damaged metadata,
/// and reserves memory for whatever a list claims to hold.
/// </summary>
internal static class ParquetFooter
{
    private const int MaxBytes = 256 << 20, MaxDepth = 32;

    /// <exception cref="UserErrorException">The footer is missing, truncated or damaged.</exception>
    public static void Check(string file)
    {
        using var handle = File.OpenHandle(file);
        var length = RandomAccess.GetLength(handle);
        if (length < 12)
            throw new UserErrorException($"{file} is no Parquet file: it has only {length} bytes.");
        var tail = SampleFile.ReadRange(handle, length - 8, 8);
        if (!tail.AsSpan(4).SequenceEqual("PAR1"u8))
            throw new UserErrorException($"{file} is no Parquet file, or a truncated one: it does not end in PAR1.");
        var size = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (size > MaxBytes || size > length - 12)
            throw new UserErrorException($"{file} is damaged: it claims {size} bytes of metadata, and has {length} bytes in all.");
        var footer = new ThriftWalk(SampleFile.ReadRange(handle, length - 8 - size, (int)size));
        if (!footer.SkipStruct(0) || footer.Remaining != 0)
            throw new UserErrorException($"{file} is damaged: its metadata makes no sense: get the file again.");
    }

    /// <summary>Steps over one value after the other in Thrift's compact protocol; false: the bytes are no such value.</summary>
    private ref struct ThriftWalk(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _bytes = bytes;

        public readonly int Remaining => _bytes.Length;

        public bool SkipStruct(int depth)
        {
            while (depth < MaxDepth && _bytes.Length > 0)
            {
                var header = _bytes[0];
                _bytes = _bytes[1..];
                if (header == 0)
                    return true;
                var hasOwnId = header >> 4 == 0;
                var isBoolean = (header & 15) is 1 or 2;
                if ((hasOwnId && !SkipNumber(out _)) || (!isBoolean && !SkipValue(header & 15, depth + 1)))
                    return false;
            }

            return false;
        }

        private bool SkipValue(int type, int depth) => type switch
        {
            1 or 2 or 3 => Skip(1),
            4 or 5 or 6 => SkipNumber(out _),
            7 => Skip(8),
            8 => SkipNumber(out var length) && Skip(length),
            9 or 10 => SkipList(depth),
            11 => SkipMap(depth),
            12 => SkipStruct(depth),
            _ => false,
        };

        private bool SkipList(int depth)
        {
            if (depth >= MaxDepth || _bytes.Length == 0)
                return false;
            var header = _bytes[0];
            _bytes = _bytes[1..];
            var count = (ulong)(header >> 4);
            return (count < 15 || SkipNumber(out count)) && SkipValues(count, depth, header & 15);
        }

        private bool SkipMap(int depth)
        {
            if (depth >= MaxDepth || !SkipNumber(out var count))
                return false;
            if (count == 0)
                return true;
            if (_bytes.Length == 0)
                return false;
            var types = _bytes[0];
            _bytes = _bytes[1..];
            return SkipValues(count, depth, types >> 4, types & 15);
        }

        private bool SkipValues(ulong count, int depth, params ReadOnlySpan<int> types)
        {
            if (count > (ulong)_bytes.Length)
                return false;
            for (; count > 0; count--)
                foreach (var type in types)
                    if (!SkipValue(type, depth + 1))
                        return false;
            return true;
        }

        private bool SkipNumber(out ulong value)
        {
            value = 0;
            for (var i = 0; i < 10 && i < _bytes.Length; i++)
            {
                value |= (ulong)(_bytes[i] & 0x7F) << (7 * i);
                if ((_bytes[i] & 0x80) == 0)
                    return Skip((ulong)i + 1);
            }

            return false;
        }

        private bool Skip(ulong count)
        {
            if (count > (ulong)_bytes.Length)
                return false;
            _bytes = _bytes[(int)count..];
            return true;
        }
    }
}
