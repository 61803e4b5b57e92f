using ClipMoe.Model.Reduction;

namespace ClipMoe.Model.Metrics;

/// <summary>Makes the reports of one sender to one receiver, which get them all, in order.</summary>
public sealed class MetricWriter
{
    private IReadOnlyList<MetricColumns> _told = [];

    public MetricReport Write(IReadOnlyList<(Subtree Node, MetricBag Bag)> parts)
    {
        IReadOnlyList<MetricColumns> layout =
            [.. parts.Select(p => new MetricColumns(p.Node.From, p.Node.To, [.. p.Bag.Select(m => m.Key)]))];
        var isKnown = _told.Count == layout.Count
            && _told.Zip(layout, (a, b) => (a.From, a.To) == (b.From, b.To) && a.Metrics.SequenceEqual(b.Metrics)).All(same => same);
        _told = layout;
        return MetricReport.Of(parts, layout, isKnown);
    }
}
