using System.Runtime.InteropServices;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// A chunk in a peer's memory, which the peer could change at any moment. So every float is read once, into memory of this process, and
/// the checksum is taken of what was read.
/// </summary>
/// <param name="Rank">The peer's.</param>
/// <param name="Checksum">What the peer says it is.</param>
internal sealed record SharedBuffer(int Rank, ReadOnlyMemory<float> Values, ulong Checksum)
{
    /// <summary>Floats that are read at a time: some such blocks fit in the first-level cache.</summary>
    private const int Block = 1024;

    [ThreadStatic]
    private static float[]? _scratch;

    /// <summary>Reads a chunk to where it belongs.</summary>
    /// <exception cref="InvalidDataException">It doesn't have the header's checksum.</exception>
    public static void Copy(ReadOnlyMemory<float> values, Span<float> destination, in FrameHeader header)
    {
        var checksum = default(FrameChecksum);
        var source = values.Span;
        for (var start = 0; start < source.Length; start += Block)
        {
            var block = destination.Slice(start, Math.Min(Block, source.Length - start));
            source.Slice(start, block.Length).CopyTo(block);
            checksum.Append(MemoryMarshal.AsBytes(block));
        }

        if (checksum.Value != header.Checksum) throw new InvalidDataException(FrameChecksum.Mismatch(header.Kind));
    }

    /// <summary>Sums a chunk along the tree.</summary>
    /// <param name="parts">As <see cref="SubtreeSum.Sum"/> wants them; at their full length.</param>
    /// <param name="lent">Which parts are lent.</param>
    /// <returns>One that doesn't have its checksum, and so the sum is wrong; null: all have.</returns>
    public static SharedBuffer? Sum(
        SubtreeSum plan, ReadOnlySpan<ReadOnlyMemory<float>> parts, IReadOnlyList<(int Part, SharedBuffer Gradient)> lent, Span<float> sum)
    {
        // Several threads sum different chunks at once.
        if (_scratch is null || _scratch.Length < plan.ScratchLength) _scratch = new float[plan.ScratchLength];
        var scratch = _scratch;
        if (lent.Count == 0)
        {
            plan.Sum(parts, sum, scratch);
            return null;
        }

        var checksums = new FrameChecksum[lent.Count];
        var blocks = new float[lent.Count * Block];
        var operands = new ReadOnlyMemory<float>[parts.Length];
        for (var start = 0; start < sum.Length; start += Block)
        {
            var length = Math.Min(Block, sum.Length - start);
            for (var part = 0; part < parts.Length; part++) operands[part] = parts[part].Slice(start, length);
            for (var i = 0; i < lent.Count; i++)
            {
                var block = blocks.AsMemory(i * Block, length);
                operands[lent[i].Part].Span.CopyTo(block.Span);
                checksums[i].Append(MemoryMarshal.AsBytes(block.Span));
                operands[lent[i].Part] = block;
            }

            plan.Sum(operands, sum.Slice(start, length), scratch);
        }

        for (var i = 0; i < lent.Count; i++)
            if (checksums[i].Value != lent[i].Gradient.Checksum)
                return lent[i].Gradient;
        return null;
    }
}
