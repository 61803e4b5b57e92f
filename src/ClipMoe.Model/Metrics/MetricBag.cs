using System.Collections;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Model.Metrics;

/// <summary>What was measured, in the order in which it was added: of a micro-batch, of a worker, or of a whole step.</summary>
public sealed class MetricBag : IEnumerable<KeyValuePair<Metric, double[]>>
{
    private readonly OrderedDictionary<Metric, double[]> _values = [];

    public int Count => _values.Count;

    /// <exception cref="KeyNotFoundException">It was not measured.</exception>
    public double this[Metric metric] => _values[metric][0];

    /// <summary>Null where it was not measured.</summary>
    public double? Find(Metric metric) => _values.TryGetValue(metric, out var values) ? values[0] : null;

    public void Add(Metric metric, double value) => Add(metric, [value]);

    /// <param name="values">One for each bin.</param>
    public void Add(Metric metric, double[] values)
    {
        if (values.Length != metric.Bins) throw new ArgumentException($"{metric.Name} has {metric.Bins} values, not {values.Length}");
        _values.Add(metric, metric.Exact ? values : [.. values.Select(v => (double)(float)v)]);
    }

    public IEnumerator<KeyValuePair<Metric, double[]>> GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>
    /// What a whole step measured. Sums are formed along the reduction tree, so their bits do not depend on how leaves are dealt. A part
    /// that did not measure a metric adds nothing to it.
    /// </summary>
    /// <param name="parts">Disjoint nodes of the tree that together cover all leaves.</param>
    public static MetricBag Combine(IReadOnlyList<(Subtree Node, MetricBag Bag)> parts)
    {
        var tree = new ReductionTree(parts.Max(p => p.Node.To));
        var merged = tree.Combine([.. parts.Select(p => (p.Node, p.Bag.WithoutMeans()))], Merge);
        var step = new MetricBag();
        foreach (var given in parts.OrderBy(p => p.Node.From).SelectMany(p => p.Bag).GroupBy(m => m.Key, m => m.Value[0]))
        {
            if (given.Key.Kind == MetricKind.Mean) step.Add(given.Key, given.Average());
            else step.Add(given.Key, merged._values[given.Key]);
        }

        return step;
    }

    /// <summary>One bag for each node, of the bags of its leaves: with them a step's bag is the same as with those of the leaves.</summary>
    /// <param name="nodes">Their leaves are all those that there are bags of.</param>
    /// <param name="leaves">In leaf order; only one may hold a mean.</param>
    public static IReadOnlyList<(Subtree Node, MetricBag Bag)> Join(IReadOnlyList<Subtree> nodes, IReadOnlyList<MetricBag> leaves)
    {
        var first = nodes.Min(n => n.From);
        // A node splits by its size alone, so a subtree has the shape of a tree of its own.
        return [.. nodes.Select(node => (node, new ReductionTree(node.Leaves).Combine(
            [.. Enumerable.Range(0, node.Leaves).Select(i => (new Subtree(i, i + 1), leaves[node.From - first + i]))], Merge)))];
    }

    private static MetricBag Merge(MetricBag left, MetricBag right)
    {
        var merged = new MetricBag();
        foreach (var (metric, values) in left)
            merged.Add(metric, right._values.TryGetValue(metric, out var others) ? Merge(metric, values, others) : values);
        foreach (var (metric, values) in right)
            if (!left._values.ContainsKey(metric)) merged.Add(metric, values);
        return merged;
    }

    private static double[] Merge(Metric metric, double[] left, double[] right) => metric.Kind switch
    {
        MetricKind.Sum or MetricKind.Histogram => [.. left.Zip(right, (a, b) => a + b)],
        MetricKind.Norm => [Math.Sqrt(left[0] * left[0] + right[0] * right[0])],
        MetricKind.Max => [Math.Max(left[0], right[0])],
        _ => throw new InvalidOperationException($"{metric.Name} is a mean over workers: micro-batches give shares of a sum"),
    };

    private MetricBag WithoutMeans()
    {
        var others = new MetricBag();
        foreach (var (metric, values) in this)
            if (metric.Kind != MetricKind.Mean) others.Add(metric, values);
        return others;
    }
}
