using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>Sums the gradients of consecutive leaves along the reduction tree while they arrive one after another.</summary>
/// <param name="parts">Of the gradient; the rest is left alone.</param>
/// <param name="room">By its first leaf, where a maximal subtree's sum goes; what isn't there gets a buffer of its own.</param>
internal sealed class SubtreeAccumulator(
    ReductionTree tree, Replica replica, IReadOnlyList<GradientRange> parts, IReadOnlyDictionary<int, FlatBuffer> room)
{
    private readonly Stack<(Subtree Node, FlatBuffer Sum)> _done = [];
    private Subtree? _open;

    /// <summary>
    /// Readies the leaf gradient for a leaf's backward. In fp32 the second of two sibling leaves accumulates onto the first, which is the
    /// same addition and saves a pass over memory; bf16 must not be summed in bf16, and what is to be rounded must be rounded first.
    /// </summary>
    public void Begin(int leaf)
    {
        var node = new Subtree(leaf, leaf + 1);
        if (_open is { } first)
        {
            if (replica.Precision == Precision.Fp32 && tree.Format == GradientFormat.Fp32 && tree.AreSiblings(first, node)) return;
            Close();
        }

        using var scope = NewDisposeScope();
        foreach (var part in parts) Slice(replica.MicroBatchGradient!, part).zero_();
    }

    public void End(int leaf) => _open = _open is { } first ? first with { To = leaf + 1 } : new Subtree(leaf, leaf + 1);

    /// <summary>The sums of the maximal subtrees that the leaves cover.</summary>
    public IReadOnlyList<(Subtree Node, FlatBuffer Sum)> Finish()
    {
        Close();
        return [.. _done.Reverse()];
    }

    private void Close()
    {
        if (_open is not { } node) return;
        _open = null;
        var fresh = replica.MicroBatchGradient!;
        if (tree.Format == GradientFormat.Bf16)
            foreach (var part in parts) fresh.RoundToBFloat16(part.Start, part.Length);
        FlatBuffer? sum = null;
        while (_done.TryPeek(out var left) && tree.AreSiblings(left.Node, node))
        {
            Add(left.Sum, sum ?? fresh);
            if (sum is not null) replica.Return(sum);
            (node, sum) = (left.Node with { To = node.To }, left.Sum);
            _done.Pop();
        }

        if (sum is null)
        {
            sum = room.GetValueOrDefault(node.From) ?? replica.Rent();
            using var scope = NewDisposeScope();
            foreach (var part in parts) Slice(sum, part).copy_(Slice(fresh, part));
        }

        _done.Push((node, sum));
    }

    private void Add(FlatBuffer sum, FlatBuffer addend)
    {
        foreach (var part in parts)
        {
            foreach (var (start, length) in Chunks.Split(part.Length, replica.Device))
            {
                using var scope = NewDisposeScope();
                var chunk = new GradientRange(checked((int)(part.Start + start)), (int)length);
                Slice(sum, chunk).PlusInPlace(Slice(addend, chunk));
                if (tree.Format == GradientFormat.Bf16) sum.RoundToBFloat16(chunk.Start, chunk.Length);
            }
        }
    }

    private static Tensor Slice(FlatBuffer buffer, GradientRange part) => buffer.Tensor.narrow(0, part.Start, part.Length);
}
