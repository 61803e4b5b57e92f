using System.Globalization;

namespace ClipMoe.Actors.Reports;

/// <summary>What a reader of a report should know, in sentences made from its own numbers.</summary>
public static class ReportNotes
{
    /// <summary>
    /// A probe that moves by less than this many points has hardly moved: the spread of accuracies over a thousand samples.
    /// </summary>
    private const double ProbeNoise = 3;

    /// <summary>An expert with less than this part of an equal share does next to nothing.</summary>
    private const double IdleShare = 0.2;

    public static IReadOnlyList<string> Create(RunReport report) =>
    [
        .. report.Comparison is { } comparison ? ComparisonVerdict.Sentences(comparison) : [],
        .. Probes(report).Concat(Experts(report)).Concat(Losses(report)).Concat(BadSamples(report))
            // Of several seeds, all but the comparison is the first one's.
            .Select(note => report.SeedRuns.Count > 0 ? $"Seed {report.Experiment.Seed}: {note}" : note),
    ];

    /// <summary>Whether the stages learned attributes that the base had suppressed, which is what they are for.</summary>
    private static IEnumerable<string> Probes(RunReport report)
    {
        if (report.Attributes is not { } probes || probes.Models.FirstOrDefault(m => m.Model == MethodComparison.Base) is not { } atBase)
            yield break;
        var moves = probes.Models.Where(m => m.Model.StartsWith("mcl-", StringComparison.Ordinal))
            .SelectMany(m => m.Accuracy.Select((accuracy, a) => (m.Model, probes.Attributes[a].Name, Gain: accuracy - atBase.Accuracy[a])))
            .ToList();
        if (moves.Count == 0) yield break;
        var best = moves.MaxBy(m => m.Gain);
        var learned = string.Join(", ", moves.Where(m => m.Gain >= ProbeNoise).Select(m => Plain(m.Name)).Distinct());
        yield return learned == ""
            ? $"No MCL stage makes an attribute more readable than the base does: the largest move of a linear probe is " +
            $"{Points(best.Gain)} points."
            : $"Attributes that a stage makes more readable than the base does: {learned} "
                + $"(at most {Points(best.Gain)} points: {Plain(best.Name)} in {best.Model}).";
    }

    private static IEnumerable<string> Experts(RunReport report)
    {
        var idle = report.ExpertLoads.Where(l => l.Model == MethodComparison.Moe)
            .SelectMany(l => l.Shares.Select((share, expert) => (l.Tower, l.Layer, Expert: expert,
                Idle: share * l.Shares.Count < IdleShare)))
            .Where(s => s.Idle).Select(s => $"expert {s.Expert} in block {s.Layer} of the {s.Tower} tower").ToList();
        if (idle.Count > 0) yield return $"The routers hardly use {string.Join(", ", idle)}.";
    }

    private static IEnumerable<string> Losses(RunReport report) =>
        report.Stages.Where(s => s.FinalLoss is { } loss && !double.IsFinite(loss))
        .Select(s => $"The loss of stage {s.Name} diverged, so nothing that follows from it means anything: use a lower learning rate.");

    private static IEnumerable<string> BadSamples(RunReport report)
    {
        if (report.BadSamples > 0)
            yield return $"{report.BadSamples} {(report.BadSamples == 1 ? "sample" : "samples")} could not be read and took no part"
                + $"{(report.Data.BadSamplesFile is { } file ? $": see {file}" : "")}.";
    }

    private static string Plain(string attribute) => attribute.Replace('_', ' ');

    private static string Points(double difference) => difference.ToString("+0.0;−0.0;0.0", CultureInfo.InvariantCulture);
}
