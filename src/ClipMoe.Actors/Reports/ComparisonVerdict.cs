using System.Globalization;

namespace ClipMoe.Actors.Reports;

/// <summary>Says in sentences what a comparison shows and what it does not, from its numbers alone.</summary>
public static class ComparisonVerdict
{
    /// <summary>Paired differences in R@1 below a point are noise, however little they spread.</summary>
    private const double Noise = 1;

    /// <summary>Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom.</summary>
    private static readonly double[] StudentT = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];

    public enum Outcome { Better, Worse, Tie }

    /// <summary>
    /// Whether the mean of paired differences differs from zero: by more than noise, and with a 95 % confidence interval outside it.
    /// </summary>
    public static Outcome Judge(IReadOnlyList<double> differences)
    {
        if (differences.Count < 2) return Outcome.Tie;
        var mean = differences.Average();
        var t = StudentT[Math.Min(differences.Count - 1, StudentT.Length) - 1];
        var halfWidth = t * SampleStatistics.StandardDeviation(differences) / Math.Sqrt(differences.Count);
        return Math.Abs(mean) < Noise || Math.Abs(mean) <= halfWidth ? Outcome.Tie : mean > 0 ? Outcome.Better : Outcome.Worse;
    }

    public static IReadOnlyList<string> Sentences(MethodComparison comparison)
    {
        var others = comparison.Methods.Where(m => m.Gains is not null && m.Method != MethodComparison.Moe).ToList();
        var moe = comparison[MethodComparison.Moe];
        return comparison.Seeds.Count == 1 ? OneSeed(comparison, moe, others) : [.. SeveralSeeds(comparison, moe, others)];
    }

    private static IReadOnlyList<string> OneSeed(MethodComparison comparison, MethodScores? moe, List<MethodScores> others)
    {
        var gains = others.Prepend(moe).OfType<MethodScores>().OrderByDescending(m => m.Gains![0])
            .Select(m => $"{Describe(m.Method)} {Points(m.Gains![0])}").ToList();
        if (gains.Count == 0) return [];
        return
        [
            $"In this run R@1 moved against its base ({Percent(comparison.Methods[0].R1[0])}) by: {string.Join("; ", gains)} points.",
            "This is one seed, so nothing follows from these differences: they vary by points from seed to seed. "
            + "clipmoe run --seeds 3 measures paired gains and their spread.",
        ];
    }

    private static IEnumerable<string> SeveralSeeds(MethodComparison comparison, MethodScores? moe, List<MethodScores> others)
    {
        var seeds = comparison.Seeds.Count;
        if (moe is not null)
        {
            var gains = string.Join(", ", moe.Gains!.Select(Points));
            yield return $"The MoE moves R@1 by {Spread(moe.Gains!)} points over its base in the mean of {seeds} seeds ({gains}): "
                + Judge(moe.Gains!) switch
                {
                    Outcome.Better => "a gain.",
                    Outcome.Worse => "a loss.",
                    _ => "not enough to tell it from no gain with so few seeds.",
                };
            foreach (var other in others)
            {
                var differences = moe.R1.Zip(other.R1, (own, its) => own - its).ToList();
                var by = $"{Spread(differences)} points, at {Effort(moe, other)}";
                yield return Judge(differences) switch
                {
                    Outcome.Better => $"It is better than {Describe(other.Method)} ({by}).",
                    Outcome.Worse => $"It is worse than {Describe(other.Method)} ({by}).",
                    _ => $"It ties {Describe(other.Method)} ({by}).",
                };
            }
        }

        var best = others.Prepend(moe).OfType<MethodScores>().MaxBy(m => m.MeanGain);
        if (best is not null)
            yield return $"The highest mean here is that of {Describe(best.Method)}: {Spread(best.Gains!)} points over its base.";
        if (seeds < 5)
            yield return $"± is the standard deviation over {seeds} seeds; with so few, differences under about 1 point are noise.";
    }

    private static string Effort(MethodScores moe, MethodScores other) =>
        moe.Steps == other.Steps ? "equal total steps" : $"{moe.Steps} against {other.Steps} steps";

    /// <summary>What a method does, in a few words.</summary>
    public static string Describe(string method) => method switch
    {
        "base" => "the base",
        "moe" => "the MoE",
        "direct" => "direct fine-tuning",
        "hard_batch" => "one dense model on cluster-pure batches (hard_batch)",
        "upcycle" => "sparse upcycling",
        _ => method,
    };

    private static string Percent(double percent) => $"{percent.ToString("0.0", CultureInfo.InvariantCulture)} %";

    private static string Spread(IReadOnlyList<double> differences) =>
        string.Create(
            CultureInfo.InvariantCulture, $"{Points(differences.Average())} ± {SampleStatistics.StandardDeviation(differences):0.0}");

    private static string Points(double difference) => difference.ToString("+0.0;−0.0;0.0", CultureInfo.InvariantCulture);
}
