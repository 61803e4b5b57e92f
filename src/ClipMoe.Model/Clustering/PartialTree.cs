using System.Collections.Concurrent;

namespace ClipMoe.Model.Clustering;

/// <summary>
/// Sums partials over the canonical binary tree of leaves (a node splits at the largest power of two below its size), whatever the order
/// in which they come and however they were cut into complete subtrees: two halves of an aligned pair are added as soon as both are there.
/// </summary>
internal sealed class PartialTree
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(int First, int Leaves), KMeansPartial> _waiting = [];
    private readonly ConcurrentBag<float[]> _spareSums = [];

    /// <summary>
    /// Zeroes to sum a leaf in: an array that an addition has left over when there is one, since fresh ones cost page faults.
    /// </summary>
    public float[] Sums(int length)
    {
        if (!_spareSums.TryTake(out var sums)) return new float[length];
        Array.Clear(sums);
        return sums;
    }

    /// <summary>Adds a partial, whose arrays from now on belong to the tree. Safe from several threads.</summary>
    public void Add(KMeansPartial partial)
    {
        while (true)
        {
            var isLeft = partial.FirstLeaf / partial.Leaves % 2 == 0;
            KMeansPartial? sibling;
            lock (_gate)
            {
                var first = isLeft ? partial.FirstLeaf + partial.Leaves : partial.FirstLeaf - partial.Leaves;
                if (!_waiting.Remove((first, partial.Leaves), out sibling))
                {
                    if (!_waiting.TryAdd((partial.FirstLeaf, partial.Leaves), partial))
                        throw new ArgumentException($"the {partial.Leaves} leaves from {partial.FirstLeaf} on were given twice");
                    return;
                }
            }

            var (left, right) = isLeft ? (partial, sibling) : (sibling, partial);
            partial = KMeansPartial.CombineInPlace(left, right);
            _spareSums.Add(right.Sums);
        }
    }

    /// <summary>The maximal complete subtrees, in the order of leaves.</summary>
    public IReadOnlyList<KMeansPartial> Subtrees() => [.. _waiting.Values.OrderBy(p => p.FirstLeaf)];

    /// <summary>The sum over the whole tree.</summary>
    /// <exception cref="ArgumentException">Leaves are missing or were given more than once.</exception>
    public KMeansPartial Total()
    {
        var subtrees = Subtrees();
        if (subtrees.Count == 0 || subtrees[0].FirstLeaf != 0) throw new ArgumentException("the first leaf is missing");
        var total = subtrees[^1];
        for (var i = subtrees.Count - 2; i >= 0; i--) total = KMeansPartial.CombineInPlace(subtrees[i], total);
        return total;
    }
}
