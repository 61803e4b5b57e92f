using System.Collections.Immutable;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Actors.Training;

/// <summary>
/// One attempt at one step: it commits when every member has reported the same gradient, computed from the same weights, and otherwise
/// never happened. Pure, so that every interleaving can be tested without actors.
/// </summary>
/// <param name="Members">Worker numbers in rank order.</param>
public sealed record StepTransaction(StepId Id, IReadOnlyList<int> Members)
{
    private ImmutableDictionary<int, GradientReady> Reports { get; init; } = ImmutableDictionary<int, GradientReady>.Empty;

    /// <summary>What each member last told about the values in its reports.</summary>
    private ImmutableDictionary<int, IReadOnlyList<MetricColumns>> Layouts { get; init; } =
        ImmutableDictionary<int, IReadOnlyList<MetricColumns>>.Empty;

    /// <summary>The step after this one, by the same members.</summary>
    public StepTransaction Next() => new(Id with { Step = Id.Step + 1 }, Members) { Layouts = Layouts };

    /// <summary>Takes a report in and says what follows from it.</summary>
    public (StepTransaction Next, Verdict Verdict) Report(GradientReady report)
    {
        if (report.Id != Id || !Members.Contains(report.Worker) || Reports.ContainsKey(report.Worker)) return (this, new Stale());
        var next = this with
        {
            Reports = Reports.Add(report.Worker, report),
            Layouts = report.Metrics.ReadLayout() is { } told ? Layouts.SetItem(report.Worker, told) : Layouts,
        };
        if (next.Reports.Count < Members.Count) return (next, new Wait());
        return next.Reports.Values.Select(r => (r.GradientHash, r.StateHash)).Distinct().Count() == 1
            ? (next, new Commit(next.Metrics(), report.GradientHash))
            : (next, new Disagree(next.Reports));
    }

    /// <summary>Sums are in the tree's order, so that the reported loss too is independent of the dealing.</summary>
    private MetricBag Metrics() => MetricBag.Combine([.. Members.SelectMany(m => Reports[m].Metrics.Read(Layouts[m]))]);
}

/// <summary>What a report means for the step.</summary>
public abstract record Verdict;

/// <summary>Not of this attempt, or a repetition.</summary>
public sealed record Stale : Verdict;

public sealed record Wait : Verdict;

public sealed record Commit(MetricBag Metrics, string GradientHash) : Verdict;

public sealed record Disagree(IReadOnlyDictionary<int, GradientReady> Reports) : Verdict;
