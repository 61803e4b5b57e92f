using ClipMoe.Actors.Reports;
using ClipMoe.Nodes.Dashboard.Charts;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard;

/// <summary>How a run went.</summary>
internal static class TrainingSections
{
    public static Markup Losses(RunReport report)
    {
        var stages = report.Stages.Where(s => s.Losses is { Count: > 0 }).ToList();
        return stages.Count == 0 ? Markup.Empty : Markup.Format($"""
            <p class="quiet">Loss of the global batch before each step, logarithmic; the strong line is a running mean. Batches of
            one cluster are
            harder than batches of all samples, so losses of different stages can't be compared.</p>
            <div class="charts">
            {stages.Select(s => Figure(s.Name, LossSummary(s), LossChart.Draw(s.Name, s.Losses!)))}</div>
            """);
    }

    public static Markup Clusters(RunReport report)
    {
        var stages = report.Stages.Where(s => s.ClusterSizes is { Count: > 0 }).ToList();
        return stages.Count == 0 ? Markup.Empty : Markup.Format($"""
            <p class="quiet">Samples in each cluster that a stage's batches are drawn from, the largest first.</p>
            <div class="charts">
            {stages.Select(s => Figure(s.Name, "", ClusterChart.Draw(s.Name, s.ClusterSizes!)))}</div>
            """);
    }

    public static Markup Experts(RunReport report)
    {
        var towers = report.ExpertLoads.Where(l => l.Shares.Count > 0).GroupBy(l => (l.Model, l.Tower)).ToList();
        return towers.Count == 0 ? Markup.Empty : Markup.Format($"""
            <p class="quiet">Share of the routers' choices that each expert gets, in percent, on held-out samples. Expert 0 is
            the base's FFN where
            the experts come from stages. Blue is above an equal share, orange below it.</p>
            <div class="charts broad">
            {towers.Select(t => Figure($"{t.Key.Model}, {t.Key.Tower} tower", "", ExpertHeatMap.Draw(t.Key.Tower, [.. t])))}</div>
            """);
    }

    public static Markup Stages(RunReport report)
    {
        var longest = Math.Max(1e-9, report.Stages.Select(s => s.Seconds).DefaultIfEmpty().Max());
        Markup[] heads =
        [
            Table.Head("stage"), Table.Head("kind", "text"), Table.Head("steps"), Table.Head("images/s"), Table.Head("final loss"),
            Table.Head("time"), Table.Head("", "share"),
        ];
        return Table.Format(Table.Row(heads), report.Stages.Select(s => Table.Row(
            [
                Table.Cell(s.Name), Table.Cell(s.Kind, "text"),
                Table.Cell(s.Steps is { } n ? NumberFormat.Count(n) : ""),
                Table.Cell(s.ImagesPerSecond is { } rate ? NumberFormat.Rate(rate) : ""),
                Table.Cell(s.FinalLoss is { } loss ? NumberFormat.Loss(loss) : ""),
                Table.Cell(NumberFormat.Duration(s.Seconds)),
                Markup.Format($"<td class=\"share\"><div style=\"width:{100 * s.Seconds / longest}%\"></div></td>"),
            ])));
    }

    private static string LossSummary(StageReport stage) =>
        $"{(stage.Steps is { } n ? $"{NumberFormat.Count(n)} steps" : "")}{(stage.FinalLoss is { } loss ? $", final " +
        $"{NumberFormat.Loss(loss)}" : "")}";

    private static Markup Figure(string title, string remark, Markup chart) => Markup.Format($"""
        <figure>
        <figcaption><b>{title}</b><span>{remark}</span></figcaption>
        {chart}
        </figure>

        """);
}
