using System.Numerics;

namespace ClipMoe.Model.Reduction;

/// <summary>A node of a <see cref="ReductionTree"/>: the leaves <c>[From, To)</c> below it.</summary>
public readonly record struct Subtree(int From, int To)
{
    public int Leaves => To - From;

    public override string ToString() => $"[{From}, {To})";
}

/// <summary>
/// The one binary tree over the leaves <c>[0, n)</c> in which every sum over the global batch is formed: a node splits at the largest
/// power of two below its size. Which additions happen, and with which operands, depends on the number of leaves alone, so a sum has the
/// same bits however the leaves are dealt to workers.
/// </summary>
public sealed class ReductionTree
{
    /// <param name="leaves">Number of leaves, at least 1.</param>
    /// <param name="format">Of the sums of arrays at the nodes.</param>
    public ReductionTree(int leaves, GradientFormat format = GradientFormat.Fp32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(leaves, 1);
        (Leaves, Format) = (leaves, format);
    }

    public int Leaves { get; }

    public GradientFormat Format { get; }

    public Subtree Root => new(0, Leaves);

    /// <summary>The two children of an inner node.</summary>
    public static (Subtree Left, Subtree Right) Split(Subtree node)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(node.Leaves, 2);
        var middle = node.From + (int)BitOperations.RoundUpToPowerOf2((uint)node.Leaves) / 2;
        return (node with { To = middle }, node with { From = middle });
    }

    /// <summary>
    /// The largest nodes that lie within the leaves <c>[from, to)</c>, in leaf order. Together they cover exactly these leaves.
    /// </summary>
    public IReadOnlyList<Subtree> MaximalSubtrees(int from, int to)
    {
        if (from < 0 || to > Leaves || from > to)
            throw new ArgumentOutOfRangeException(nameof(from), $"[{from}, {to}) is not within {Root}");
        var found = new List<Subtree>();
        Collect(Root, from, to, found);
        return found;
    }

    /// <summary>Whether two adjacent nodes are the children of one node.</summary>
    public bool AreSiblings(Subtree left, Subtree right) =>
        left.To == right.From && Contains(left with { To = right.To }) && Split(left with { To = right.To }) == (left, right);

    /// <summary>Whether these leaves are a node of the tree.</summary>
    public bool Contains(Subtree node)
    {
        var at = Root;
        while (at != node)
        {
            if (at.Leaves < 2) return false;
            var (left, right) = Split(at);
            if (node.From >= left.From && node.To <= left.To) at = left;
            else if (node.From >= right.From && node.To <= right.To) at = right;
            else return false;
        }

        return true;
    }

    /// <summary>Folds one value per node into the root's value, adding along the tree.</summary>
    /// <param name="parts">Disjoint nodes that together cover all leaves, in any order.</param>
    /// <exception cref="ArgumentException">The parts do not cover every leaf once with nodes of this tree.</exception>
    public T Combine<T>(IReadOnlyList<(Subtree Node, T Value)> parts, Func<T, T, T> add)
    {
        var values = Index(parts);
        return Fold(Root);

        T Fold(Subtree node)
        {
            if (values.TryGetValue(node, out var value)) return value;
            var (left, right) = Split(node);
            return add(Fold(left), Fold(right));
        }
    }

    /// <summary>Element-wise <see cref="Combine{T}"/> of arrays of equal length, in one pass over memory.</summary>
    /// <param name="parts">Disjoint nodes that together cover all leaves, in any order; each value has the destination's length and is in
    /// the tree's format.</param>
    /// <param name="destination">The root's sum; may be the memory of one of the parts.</param>
    /// <exception cref="ArgumentException">The parts do not cover every leaf once with nodes of this tree, or differ in length.</exception>
    public void Combine(IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Value)> parts, Span<float> destination)
    {
        var sum = Plan([.. parts.Select(p => p.Node)]);
        sum.Sum([.. parts.Select(p => p.Value)], destination, new float[sum.ScratchLength]);
    }

    /// <summary>
    /// Works out the additions of <see cref="Combine(IReadOnlyList{ValueTuple{Subtree, ReadOnlyMemory{float}}}, Span{float})"/>.
    /// </summary>
    /// <param name="nodes">Disjoint nodes that together cover all leaves, in any order.</param>
    /// <exception cref="ArgumentException">The nodes do not cover every leaf once with nodes of this tree.</exception>
    public SubtreeSum Plan(IReadOnlyList<Subtree> nodes)
    {
        var parts = Index([.. nodes.Select((node, part) => (node, part))]);
        var additions = new List<SubtreeSum.Addition>();
        Fold(Root, 0);
        return new SubtreeSum(nodes.Count, additions, Format);

        int Fold(Subtree node, int level)
        {
            if (parts.TryGetValue(node, out var part)) return part;
            var (left, right) = Split(node);
            var target = nodes.Count + level;
            additions.Add(new SubtreeSum.Addition(Fold(left, level), Fold(right, level + 1), target));
            return target;
        }
    }

    private Dictionary<Subtree, T> Index<T>(IReadOnlyList<(Subtree Node, T Value)> parts)
    {
        var values = new Dictionary<Subtree, T>(parts.Count);
        foreach (var (node, value) in parts)
        {
            if (!Contains(node) || !values.TryAdd(node, value))
                throw new ArgumentException($"{node} is no node of the tree over {Leaves} leaves, or is there twice");
        }

        var next = 0;
        foreach (var node in values.Keys.OrderBy(n => n.From))
        {
            if (node.From != next) throw new ArgumentException($"leaf {Math.Min(next, node.From)} is missing or there twice");
            next = node.To;
        }

        return next == Leaves ? values : throw new ArgumentException($"leaf {next} is missing");
    }

    private static void Collect(Subtree node, int from, int to, List<Subtree> found)
    {
        if (node.From >= to || node.To <= from) return;
        if (node.From >= from && node.To <= to)
        {
            found.Add(node);
            return;
        }

        var (left, right) = Split(node);
        Collect(left, from, to, found);
        Collect(right, from, to, found);
    }
}
