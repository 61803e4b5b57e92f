using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Reports;

/// <summary>
/// Methods against their common base at equal total training steps: R@1, mean of both directions, one value for each seed.
/// </summary>
public sealed record MethodComparison(string Split, string Protocol, IReadOnlyList<ulong> Seeds, IReadOnlyList<MethodScores> Methods)
{
    public const string Base = "base", Moe = "moe";

    /// <param name="runs">The evaluations of each seed's run.</param>
    /// <param name="steps">Training steps of each method after the base, for those that have some.</param>
    /// <returns>The base first, then the methods in the order of the first run; null when a run lacks a base or a method of
    /// another.</returns>
    public static MethodComparison? Create(
        IReadOnlyList<(ulong Seed, IReadOnlyList<RetrievalScores> Evaluations)> runs, IReadOnlyList<string> methods,
        IReadOnlyDictionary<string, int> steps)
    {
        if (runs.Count == 0 || runs[0].Evaluations.FirstOrDefault(e => e.Model == Base) is not { } first) return null;
        var scores = new List<MethodScores>();
        foreach (var method in methods.Prepend(Base).Distinct())
        {
            var found = runs.Select(r => r.Evaluations.FirstOrDefault(e => e.Model == method && e.Split == first.Split
                && e.Protocol == first.Protocol)).ToList();
            if (found.Contains(null))
            {
                if (method == Base || found.Any(f => f is not null)) return null;
                continue;
            }
            var r1 = found.Select(f => Percent.Rounded(f!.MeanR1)).ToList();
            var gains = method == Base ? null : r1.Zip(scores[0].R1, (own, baseline) => Percent.Rounded(own - baseline)).ToList();
            scores.Add(new MethodScores(method, steps.TryGetValue(method, out var n) ? n : null, r1, gains));
        }
        return new MethodComparison(first.Split, first.Protocol, [.. runs.Select(r => r.Seed)], scores);
    }

    public MethodScores? this[string method] => Methods.FirstOrDefault(m => m.Method == method);
}

/// <param name="Steps">Training steps after the base.</param>
/// <param name="R1">For each seed, in percent.</param>
/// <param name="Gains">Over the same seed's base, in points; null for the base itself.</param>
public sealed record MethodScores(string Method, int? Steps, IReadOnlyList<double> R1, IReadOnlyList<double>? Gains)
{
    public double MeanR1 => R1.Average();
    public double? MeanGain => Gains?.Average();
    /// <summary>Standard deviation of the gains over the seeds; null for fewer than two.</summary>
    public double? GainSd => Gains is { Count: > 1 } gains ? SampleStatistics.StandardDeviation(gains) : null;
}

/// <summary>Statistics of a few values.</summary>
public static class SampleStatistics
{
    /// <summary>With n − 1 in the denominator.</summary>
    public static double StandardDeviation(IReadOnlyCollection<double> values)
    {
        var mean = values.Average();
        return Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1));
    }
}
