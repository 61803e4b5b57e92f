using ClipMoe.Model.Reduction;

namespace ClipMoe.Model.Metrics;

/// <summary>Makes the reports of one sender to one receiver, which get them all, in order.</summary>
public sealed class MetricWriter
{
    private IReadOnlyList<MetricColumns> _layout = [];

    public MetricReport Write(IReadOnlyList<(Subtree Node, MetricBag Bag)> parts)
    {
        IReadOnlyList<MetricColumns> layout =
            [.. parts.Select(p => new MetricColumns(p.Node.From, p.Node.To, [.. p.Bag.Select(m => m.Key)]))];
        var isKnown = _layout.Count == layout.Count
            && _layout.Zip(layout, (a, b) => (a.From, a.To) == (b.From, b.To) && a.Metrics.SequenceEqual(b.Metrics)).All(same => same);
        _layout = layout;
        return MetricReport.Create(parts, layout, isKnown);
    }
}
