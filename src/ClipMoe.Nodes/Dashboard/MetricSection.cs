using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;
using ClipMoe.Model.Metrics;
using ClipMoe.Nodes.Dashboard.Charts;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard;

/// <summary>Whatever the training stages measured: the headlines side by side, everything of a stage where it is unfolded.</summary>
internal static class MetricSection
{
    public static Markup Write(RunReport report)
    {
        var stages = report.Stages.Where(s => s.Metrics is { Count: > 0 }).ToList();
        return stages.Count == 0 ? Markup.Empty : Markup.Format($"""
            <p class="quiet">Means over the steps of each training stage. A curve has a point for each checkpoint.</p>
            {Headlines(stages)}
            {stages.Select(Stage)}
            """);
    }

    private static Markup Headlines(List<StageReport> stages)
    {
        var shown = stages.SelectMany(s => s.Metrics!).Where(m => m.Whole is { Headline: true, Mean: not null })
            .DistinctBy(m => m.Whole.Name).Select(m => m.Whole.Name).ToList();
        return shown.Count == 0 ? Markup.Empty : Table.Format(
            Table.Row([Table.Head("stage"), .. shown.Select(name => Table.Head(name))]),
            stages.Select(s => Table.Row(
                [Table.Cell(s.Name), .. shown.Select(name => Table.Cell(s.Metrics!.FirstOrDefault(m => m.Whole.Name == name) is { } m
                    ? Number(m.Whole, m.Whole.Mean) : ""))])));
    }

    private static Markup Stage(StageReport stage)
    {
        var (histograms, values) = (stage.Metrics!.Where(IsHistogram).ToList(), stage.Metrics!.Where(m => !IsHistogram(m)).ToList());
        return Markup.Format($"""
            <details>
            <summary>{stage.Name}: {stage.Metrics!.Count} metrics</summary>
            {Values(stage.Name, values)}
            {histograms.GroupBy(h => h.Whole.Counts!.Count).Select(g => Histograms(g.Key, g))}
            </details>

            """);
    }

    private static Markup Values(string stage, IReadOnlyList<MetricSeries> metrics) => Table.Format(
        Table.Row(
            [Table.Head("metric"), Table.Head("mean"), Table.Head("lowest"), Table.Head("highest"), Table.Head("last"), Table.Head("")]),
        metrics.Select(m => Table.Row(
            [
                Table.Cell(m.Whole.Name), Table.Cell(Number(m.Whole, m.Whole.Mean)), Table.Cell(Number(m.Whole, m.Whole.Lowest)),
                Table.Cell(Number(m.Whole, m.Whole.Highest)), Table.Cell(Number(m.Whole, m.Whole.Last)),
                Markup.Format($"<td class=\"spark\">{SparkLine.Draw($"{m.Whole.Name} of {stage}", m.Points)}</td>"),
            ])));

    private static Markup Histograms(int bins, IEnumerable<MetricSeries> metrics) => Table.Format(
        Table.Row([Table.Head("share in percent of"), .. Enumerable.Range(0, bins).Select(bin => Table.Head($"{bin}"))]),
        metrics.Select(m => Table.Row(
            [
                Table.Cell($"{m.Whole.Name}, {m.Whole.Unit}"),
                .. m.Whole.Counts!.Select(c => Table.Cell(NumberFormat.Percent(100 * c / Math.Max(1, m.Whole.Counts!.Sum())))),
            ])));

    private static bool IsHistogram(MetricSeries metric) => metric.Whole.Kind == MetricKind.Histogram;

    private static string Number(MetricSummary metric, double? value) => value is { } v ? NumberFormat.Measure(v, metric.Unit) : "";
}
