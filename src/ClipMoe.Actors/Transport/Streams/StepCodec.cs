using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>What members tell each other in a step, as little-endian bytes; floats go as their bits. Null lists have length −1.</summary>
internal static class StepCodec
{
    public static ReadOnlyMemory<byte> Encode(IReadOnlyList<MicroBatchFeatures> features) => Encode(features, (output, leaf) =>
    {
        Write(output, leaf.Leaf);
        Write(output, leaf.Rows);
        Write<float>(output, leaf.Image);
        Write<float>(output, leaf.Text);
        Write<float>(output, leaf.ShortText);
        Write(output, leaf.Loads?.Image);
        Write(output, leaf.Loads?.Text);
        Write(output, leaf.Loads?.ShortText);
    });

    public static ReadOnlyMemory<byte> Encode(IReadOnlyList<LossBlock> blocks) => Encode(blocks, (output, block) =>
    {
        Write(output, block.MicroBatch);
        Write<float>(output, block.Values);
    });

    public static ReadOnlyMemory<byte> Encode(IReadOnlyList<Subtree> nodes) => Encode(nodes, (output, node) =>
    {
        Write(output, node.From);
        Write(output, node.To);
    });

    /// <exception cref="InvalidDataException">These bytes are something else.</exception>
    public static IReadOnlyList<MicroBatchFeatures> DecodeFeatures(ReadOnlySpan<byte> bytes) => Decode(
        bytes, (ref Reader input) => new MicroBatchFeatures(
            input.Int(), input.Int(), input.List<float>() ?? [], input.List<float>() ?? [], input.List<float>(), input.Loads()));

    /// <inheritdoc cref="DecodeFeatures"/>
    public static IReadOnlyList<LossBlock> DecodeLossBlocks(ReadOnlySpan<byte> bytes) =>
        Decode(bytes, (ref Reader input) => new LossBlock(input.Int(), input.List<float>() ?? []));

    /// <inheritdoc cref="DecodeFeatures"/>
    public static IReadOnlyList<Subtree> DecodeSubtrees(ReadOnlySpan<byte> bytes) =>
        Decode(bytes, (ref Reader input) => new Subtree(input.Int(), input.Int()));

    private static ReadOnlyMemory<byte> Encode<T>(IReadOnlyList<T> items, Action<ArrayBufferWriter<byte>, T> write)
    {
        var output = new ArrayBufferWriter<byte>();
        Write(output, items.Count);
        foreach (var item in items) write(output, item);
        return output.WrittenMemory;
    }

    private static void Write(ArrayBufferWriter<byte> output, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(output.GetSpan(sizeof(int)), value);
        output.Advance(sizeof(int));
    }

    private static void Write<T>(ArrayBufferWriter<byte> output, T[]? values)
        where T : unmanaged
    {
        Write(output, values?.Length ?? -1);
        output.Write(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    private static void Write(ArrayBufferWriter<byte> output, RouterLoad? load)
    {
        Write(output, load?.Layers ?? -1);
        if (load is null) return;
        Write(output, load.Experts);
        Write<long>(output, load.Counts);
        output.Write(MemoryMarshal.AsBytes([load.Tokens]));
    }

    private delegate T Read<T>(ref Reader input);

    private static T[] Decode<T>(ReadOnlySpan<byte> bytes, Read<T> read)
    {
        var input = new Reader(bytes);
        // Every item takes some bytes, so a wrong count can't ask for more memory than came.
        var items = new T[input.Count(1)];
        for (var i = 0; i < items.Length; i++) items[i] = read(ref input);
        return input.AtEnd ? items : throw Malformed();
    }

    private static InvalidDataException Malformed() => new("sent a message of another form");

    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        public readonly bool AtEnd => _rest.IsEmpty;

        public int Int() => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));

        /// <summary>A number of items that take at least so many bytes each.</summary>
        public int Count(int size) => Int() is >= 0 and var count && (long)count * size <= _rest.Length ? count : throw Malformed();

        public T[]? List<T>()
            where T : unmanaged
        {
            if (BinaryPrimitives.ReadInt32LittleEndian(Peek(sizeof(int))) == -1)
            {
                Take(sizeof(int));
                return null;
            }

            var size = Marshal.SizeOf<T>();
            return MemoryMarshal.Cast<byte, T>(Take(Count(size) * size)).ToArray();
        }

        public MicroBatchLoads? Loads()
        {
            var (image, text, shortText) = (Load(), Load(), Load());
            return image is null || text is null ? null : new MicroBatchLoads(image, text, shortText);
        }

        private RouterLoad? Load()
        {
            var layers = Int();
            return layers < 0 ? null : new RouterLoad(layers, Int(), List<long>()
                ?? [], BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long))));
        }

        private readonly ReadOnlySpan<byte> Peek(int count) => count <= _rest.Length ? _rest[..count] : throw Malformed();

        private ReadOnlySpan<byte> Take(int count)
        {
            var taken = Peek(count);
            _rest = _rest[count..];
            return taken;
        }
    }
}
