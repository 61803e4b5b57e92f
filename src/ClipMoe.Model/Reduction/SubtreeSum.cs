using System.Numerics.Tensors;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Reduction;

/// <summary>
/// The additions that turn the sums of certain nodes into the root's, worked out once by <see cref="ReductionTree.Plan"/> and then carried
/// out for any number of pieces of a long array. Immutable: several threads may sum different pieces at once.
/// </summary>
public sealed class SubtreeSum
{
    /// <summary>
    /// Floats of a block: intermediate sums stay in the first-level cache, and a call per block costs little beside its sums.
    /// </summary>
    private const int Block = 2048;

    private readonly int _parts;
    private readonly int _levels;
    private readonly GradientFormat _format;
    private readonly IReadOnlyList<Addition> _additions;

    /// <summary>Operands below the number of parts are parts; those from there on are blocks of scratch memory, as is the target.</summary>
    internal readonly record struct Addition(int Left, int Right, int Target);

    internal SubtreeSum(int parts, IReadOnlyList<Addition> additions, GradientFormat format)
    {
        _parts = parts;
        _additions = additions;
        _format = format;
        _levels = additions.Count == 0 ? 0 : additions.Max(a => a.Target) + 1 - parts;
    }

    /// <summary>Floats that <see cref="Sum"/> needs for intermediate sums.</summary>
    public int ScratchLength => _levels * Block;

    /// <summary>Adds along the tree, in one pass over memory.</summary>
    /// <param name="parts">One array of the destination's length per node, in the order in which the nodes were given.</param>
    /// <param name="destination">The root's sum; may be the memory of one of the parts.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats; overwritten.</param>
    /// <exception cref="ArgumentException">The number of parts or their lengths differ from what was planned.</exception>
    public void Sum(ReadOnlySpan<ReadOnlyMemory<float>> parts, Span<float> destination, Span<float> scratch)
    {
        if (parts.Length != _parts) throw new ArgumentException($"{_parts} parts were planned, not {parts.Length}");
        foreach (var part in parts)
            if (part.Length != destination.Length)
                throw new ArgumentException($"a part has {part.Length} elements, the result {destination.Length}");

        if (_additions.Count == 0)
        {
            parts[0].Span.CopyTo(destination);
            return;
        }

        for (var start = 0; start < destination.Length; start += Block)
        {
            var length = Math.Min(Block, destination.Length - start);
            for (var i = 0; i < _additions.Count; i++)
            {
                var (left, right, target) = _additions[i];
                var sum = i == _additions.Count - 1 ? destination.Slice(start, length) : scratch.Slice((target - _parts) * Block, length);
                TensorPrimitives.Add(Operand(parts, scratch, left, start, length), Operand(parts, scratch, right, start, length), sum);
                if (_format == GradientFormat.Bf16) BFloat16.Round(sum, sum);
            }
        }
    }

    private ReadOnlySpan<float> Operand(ReadOnlySpan<ReadOnlyMemory<float>> parts, Span<float> scratch, int operand, int start,
        int length) =>
        operand < _parts ? parts[operand].Span.Slice(start, length) : scratch.Slice((operand - _parts) * Block, length);
}
