using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>Sums the gradients of consecutive leaves along the reduction tree while they arrive one after another.</summary>
internal sealed class SubtreeAccumulator(ReductionTree tree, Replica replica)
{
    private readonly Stack<(Subtree Node, FlatBuffer Sum)> _done = [];
    private Subtree? _open;

    /// <summary>
    /// Readies the leaf gradient for a leaf's backward. In fp32 the second of two sibling leaves accumulates onto the first, which is the same
    /// addition and saves a pass over memory; bf16 must not be summed in bf16, and what is to be rounded must be rounded first.
    /// </summary>
    public void Begin(int leaf)
    {
        var node = new Subtree(leaf, leaf + 1);
        if (_open is { } first)
        {
            if (replica.Precision == Precision.Fp32 && tree.Format == GradientFormat.Fp32 && tree.AreSiblings(first, node)) return;
            Close();
        }

        replica.LeafGradient!.Tensor.zero_();
    }

    public void End(int leaf) => _open = _open is { } first ? first with { To = leaf + 1 } : new Subtree(leaf, leaf + 1);

    /// <summary>The sums of the maximal subtrees that the leaves cover.</summary>
    public IReadOnlyList<SubtreeGradient> Finish()
    {
        Close();
        return [.. _done.Reverse().Select(d => new SubtreeGradient(d.Node, d.Sum))];
    }

    private void Close()
    {
        if (_open is not { } node) return;
        _open = null;
        var fresh = replica.LeafGradient!;
        if (tree.Format == GradientFormat.Bf16) fresh.RoundToBFloat16(0, fresh.Length);
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
            sum = replica.Rent();
            sum.Tensor.copy_(fresh.Tensor);
        }

        _done.Push((node, sum));
    }

    private void Add(FlatBuffer sum, FlatBuffer addend)
    {
        foreach (var (start, length) in Chunks.Of(replica.Layout.TrainableLength, replica.Device))
        {
            using var scope = NewDisposeScope();
            sum.Tensor.narrow(0, start, length).PlusInPlace(addend.Tensor.narrow(0, start, length));
            if (tree.Format == GradientFormat.Bf16) sum.RoundToBFloat16(start, length);
        }
    }
}
