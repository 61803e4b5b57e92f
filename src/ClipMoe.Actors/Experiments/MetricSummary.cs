using ClipMoe.Model.Metrics;

namespace ClipMoe.Actors.Experiments;

/// <summary>A metric of one step.</summary>
/// <param name="Values">One for each bin.</param>
public sealed record MetricValue(Metric Metric, IReadOnlyList<double> Values);

/// <summary>A metric over consecutive steps, as the journal and the report keep it.</summary>
/// <param name="Steps">In which it was measured.</param>
public sealed record MetricSummary(string Name, MetricKind Kind, string Unit, int Steps)
{
    /// <summary>One of the few that are shown first.</summary>
    public bool Headline { get; init; }

    /// <summary>Of single values; null for histograms, as are those after it.</summary>
    public double? Mean { get; init; }

    public double? Lowest { get; init; }
    public double? Highest { get; init; }
    public double? Last { get; init; }

    /// <summary>Of a histogram: what is in each bin, over all steps.</summary>
    public IReadOnlyList<double>? Counts { get; init; }

    /// <summary>One for each metric, in the order in which they first come.</summary>
    public static IReadOnlyList<MetricSummary> Summarize(IEnumerable<MetricBag> steps) =>
        [.. steps.SelectMany(s => s).GroupBy(m => m.Key, m => m.Value).Select(g => Summarize(g.Key, [.. g]))];

    /// <summary>Over the steps of several summaries of one metric, in order.</summary>
    public static MetricSummary Join(IReadOnlyList<MetricSummary> parts)
    {
        var steps = parts.Sum(p => p.Steps);
        return parts[0] with
        {
            Steps = steps,
            Mean = parts[0].Mean is null ? null : parts.Sum(p => p.Mean * p.Steps) / steps,
            Lowest = parts.Min(p => p.Lowest),
            Highest = parts.Max(p => p.Highest),
            Last = parts[^1].Last,
            Counts = parts[0].Counts is null ? null : parts.Select(p => p.Counts!).Aggregate((a, b) => [.. a.Zip(b, (x, y) => x + y)]),
        };
    }

    private static MetricSummary Summarize(Metric metric, IReadOnlyList<double[]> steps)
    {
        var summary = new MetricSummary(metric.Name, metric.Kind, metric.Unit, steps.Count) { Headline = metric.Headline };
        return metric.Kind == MetricKind.Histogram
            ? summary with { Counts = [.. Enumerable.Range(0, metric.Bins).Select(bin => steps.Sum(s => s[bin]))] }
            : summary with
            {
                Mean = steps.Average(s => s[0]),
                Lowest = steps.Min(s => s[0]),
                Highest = steps.Max(s => s[0]),
                Last = steps[^1][0],
            };
    }
}

/// <summary>A metric over a training stage.</summary>
/// <param name="Points">Means of the intervals between checkpoints; none for histograms.</param>
public sealed record MetricSeries(MetricSummary Whole, IReadOnlyList<MetricPoint> Points)
{
    /// <summary>
    /// One for each metric, in the order in which they first come; a metric that another version measured otherwise is another.
    /// </summary>
    /// <param name="intervals">The journaled steps of a stage, in order.</param>
    public static IReadOnlyList<MetricSeries> FromIntervals(IEnumerable<StepsCheckpointed> intervals) =>
    [
        .. intervals.SelectMany(i => (i.Metrics ?? []).Select(m => (i.ToStep, Metric: m)))
            .GroupBy(m => (m.Metric.Name, m.Metric.Kind, m.Metric.Counts?.Count))
            .Select(g => new MetricSeries(
                MetricSummary.Join([.. g.Select(m => m.Metric)]),
                [.. g.Where(m => m.Metric.Mean is not null).Select(m => new MetricPoint(m.ToStep, m.Metric.Mean!.Value))])),
    ];
}

/// <param name="Step">The end of the interval.</param>
public sealed record MetricPoint(int Step, double Mean);
