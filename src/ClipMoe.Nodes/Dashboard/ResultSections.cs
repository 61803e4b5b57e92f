using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;
using ClipMoe.Nodes.Dashboard.Charts;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard;

/// <summary>What came out of a run.</summary>
internal static class ResultSections
{
    /// <summary>Difference to the base, in points, at which a tint is strongest.</summary>
    private const double StrongDifference = 15;

    public static Markup Tiles(RunReport report)
    {
        var tiles = new List<(string Figure, string Meaning)>();
        if (report.Comparison?[MethodComparison.Moe] is { } moe)
        {
            var seeds = report.Comparison.Seeds.Count;
            tiles.Add(($"{NumberFormat.Percent(moe.MeanR1)} %", $"R@1 of the MoE{(seeds > 1 ? $", mean of {seeds} seeds" : "")}"));
            tiles.Add((GainChart.Gain(moe), "points over its base"));
        }
        tiles.Add((NumberFormat.Rate(report.ImagesPerSecond), "images a second in training"));
        tiles.Add((NumberFormat.Duration(report.Seconds), "in all"));
        tiles.Add((NumberFormat.Count(report.BadSamples), report.BadSamples == 1 ? "bad sample, left out" : "bad samples, left out"));
        return Markup.Format($"""
            <div class="tiles">
            {tiles.Select(t => Markup.Format($"<div class=\"tile\"><b>{t.Figure}</b><span>{t.Meaning}</span></div>\n"))}</div>
            """);
    }

    public static Markup Verdict(RunReport report) => report.Notes.Count == 0 ? Markup.Empty : Markup.Format($"""
        <section class="verdict" id="verdict">
        <h2>What the numbers say</h2>
        <ul>
        {report.Notes.Select(n => Markup.Format($"<li>{n}</li>\n"))}</ul>
        </section>
        """);

    public static Markup Comparison(RunReport report) => Markup.If(report.Comparison, comparison =>
    {
        var several = comparison.Seeds.Count > 1;
        var spread = several ? " Bars are means over the seeds, dots single seeds, whiskers and ± one standard deviation of the paired " +
            "gains." : "";
        Markup[] heads =
        [
            Table.Head("method"), Table.Head("gain, points"), Table.Head("R@1 %"),
            .. several ? comparison.Seeds.Select(s => Table.Head($"seed {s}")) : [],
            Table.Head("steps after the base"), Table.Head("what it is", "text"),
        ];
        return Markup.Format($"""
            <p class="quiet">R@1 is the mean of both directions on the {comparison.Split} split ({comparison.Protocol}).{spread}</p>
            <div class="scroll">{GainChart.Draw(comparison)}</div>
            {Table.Format(Table.Row(heads), comparison.Methods.Select(m => MethodRow(m, several)))}
            """);
    });

    private static Markup MethodRow(MethodScores method, bool several) => Table.Row(
        [
            Table.Cell(method.Method), Table.Cell(GainChart.Gain(method)), Table.Cell(NumberFormat.Percent(method.MeanR1)),
            .. several ? method.R1.Select(r => Table.Cell(NumberFormat.Percent(r))) : [],
            Table.Cell(method.Steps is { } n ? NumberFormat.Count(n) : "–"), Table.Cell(WhatItIs(method.Method), "text wide"),
        ],
        IsOwn(method.Method));

    public static Markup Scores(RunReport report)
    {
        if (report.Evaluations.Count == 0) return Markup.Empty;
        var seed = report.Comparison is { Seeds.Count: > 1 } comparison ? $", of seed {comparison.Seeds[0]}" : "";
        return Markup.Format($"""
            <p class="quiet">Recall at 1, 5 and 10 in percent{seed}. Image → text: an image finds its caption; text → image: a caption
            finds its
            image.</p>
            {report.Evaluations.GroupBy(e => (e.Split, e.Protocol)).Select(ScoreTable)}
            """);
    }

    private static Markup ScoreTable(IGrouping<(string Split, string Protocol), RetrievalScores> scores)
    {
        var head = Markup.Format($"""
            <tr><th rowspan="2">model</th><th colspan="3" class="mid">image → text</th><th colspan="3" class="mid">text → image</th></tr>
            <tr><th>R@1</th><th>R@5</th><th>R@10</th><th>R@1</th><th>R@5</th><th>R@10</th></tr>
            """);
        return Markup.Format($"<h3>{scores.Key.Split} split, {scores.Key.Protocol}</h3>\n{Table.Format(head, scores.Select(ScoreRow))}");
    }

    private static Markup ScoreRow(RetrievalScores scores)
    {
        double[] recalls = [scores.I2tR1, scores.I2tR5, scores.I2tR10, scores.T2iR1, scores.T2iR5, scores.T2iR10];
        return Table.Row([Table.Cell(scores.Model), .. recalls.Select(r => Table.Cell(NumberFormat.Percent(r)))], IsOwn(scores.Model));
    }

    public static Markup Attributes(RunReport report) => Markup.If(report.Attributes, probes =>
    {
        var atBase = probes.Models.FirstOrDefault(m => m.Model == MethodComparison.Base);
        var head = Table.Row([Table.Head("model"), .. probes.Attributes.Select(a => Table.Head(a.Name.Replace('_', ' '), "mid"))]);
        var chance = Table.Row([Table.Cell("chance"),
            .. probes.Attributes.Select(a => Table.Cell(NumberFormat.Percent(a.Chance), "tint"))]);
        return Markup.Format($"""
            <p class="quiet">How well a linear probe reads each true attribute off a model's image features: accuracy in percent on held-out
            samples. Blue is above the base, orange below it.</p>
            {Table.Format(head, probes.Models.Select(m => ProbeCells(m, atBase)).Prepend(chance))}
            """);
    });

    private static Markup ProbeCells(ProbeRow row, ProbeRow? atBase) => Table.Row(
        [Table.Cell(row.Model), .. row.Accuracy.Select(
            (accuracy, a) => ProbeCell(accuracy, atBase is null ? 0 : accuracy - atBase.Accuracy[a]))],
        IsOwn(row.Model));

    private static Markup ProbeCell(double accuracy, double difference)
    {
        var (tint, hint) = (Tint.ForShare(difference / StrongDifference), $"{NumberFormat.Points(difference)} points against the base");
        return Markup.Format($"<td class=\"tint\" style=\"background:{tint}\" title=\"{hint}\">{NumberFormat.Percent(accuracy)}</td>");
    }

    private static bool IsOwn(string model) => model == MethodComparison.Moe;

    private static string WhatItIs(string method) => method switch
    {
        "base" => "the dense CLIP that all others start from",
        "direct" => "the base's FFNs trained further on batches of all samples",
        "hard_batch" => "the base's FFNs trained further on cluster-pure batches, one dense model throughout",
        "upcycle" => "MoE with copies of the base as experts; experts and routers trained",
        "moe" => "the run's CLIP-MoE: experts assembled, routers tuned",
        _ => "",
    };
}
