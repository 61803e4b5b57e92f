using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Actors.Tests.Experiments;

public sealed class MetricSummaryTests
{
    private static readonly Metric Norm = new("gradient_norm", MetricKind.Norm), Load = new("load", MetricKind.Histogram, Bins: 2);

    [Fact]
    public void Intervals_join_to_the_summary_of_all_their_steps()
    {
        List<MetricBag> steps = [.. Enumerable.Range(1, 6).Select(i => new MetricBag { { Norm, i }, { Load, [i, 1] } })];

        var all = MetricSummary.Summarize(steps);
        var joined = MetricSummary.Summarize(steps[..2])
            .Zip(MetricSummary.Summarize(steps[2..]), (a, b) => MetricSummary.Join([a, b])).ToList();

        Assert.Equal((3.5, 1, 6, 6), (joined[0].Mean, joined[0].Lowest, joined[0].Highest, joined[0].Last));
        Assert.Equal(all[0], joined[0]);
        Assert.Equal([21, 6], joined[1].Counts);
    }

    [Fact]
    public void A_metric_that_another_version_measured_otherwise_is_another_metric()
    {
        var before = MetricSummary.Summarize([new MetricBag { { new Metric("load", MetricKind.Histogram, Bins: 3), [1, 2, 3] } }]);
        var after = MetricSummary.Summarize([new MetricBag { { Load, [1, 2] } },
            new MetricBag { { new Metric("load", MetricKind.Mean), 5 } }]);

        var series = MetricSeries.FromIntervals([Interval(0, before), Interval(1, after)]);

        Assert.Equal([3, 2, null], series.Select(s => s.Whole.Counts?.Count));
    }

    private static StepsCheckpointed Interval(int from, IReadOnlyList<MetricSummary> metrics) =>
        new("base", from, from + 1, "", 1, []) { Metrics = metrics };
}
