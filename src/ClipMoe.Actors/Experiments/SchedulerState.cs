using System.Collections.Immutable;
using System.Text.Json.Serialization;
using ClipMoe.Actors.Files;

namespace ClipMoe.Actors.Experiments;

/// <summary>What the scheduler's journal holds, under these names; a name stays when its type is renamed.</summary>
[JsonDerivedType(typeof(SchedulerStarted), "manager-1")]
[JsonDerivedType(typeof(Submitted), "submitted-1")]
[JsonDerivedType(typeof(Ended), "ended-1")]
[JsonDerivedType(typeof(WorkersScaled), "workers-1")]
[JsonDerivedType(typeof(Reopened), "reopened-1")]
[JsonDerivedType(typeof(ControlWanted), "control-1")]
[JsonDerivedType(typeof(WorkerDrained), "drained-1")]
public abstract record SchedulerEvent;

/// <summary>A scheduler took over.</summary>
public sealed record SchedulerStarted : SchedulerEvent;

/// <param name="Experiment">As JSON.</param>
/// <param name="Request">Null in journals of earlier versions.</param>
public sealed record Submitted(string Id, string Experiment, string Hash, string? Request = null) : SchedulerEvent;

/// <param name="Report">Files of the report, the final checkpoint last.</param>
public sealed record Ended(string Id, ExperimentStatus Status, string? Message, string? WeightsSha256, IReadOnlyList<WrittenFile> Report)
    : SchedulerEvent;

/// <summary>From now on so many workers are given work at a time; null: all.</summary>
public sealed record WorkersScaled(int? Max) : SchedulerEvent;

/// <summary>What the user wants of the experiment that runs; it outlives the scheduler that was told.</summary>
public sealed record ControlWanted(string Id, Control Control) : SchedulerEvent;

/// <summary>A worker is given no more work, under whatever process it comes back.</summary>
/// <param name="Back">It is again.</param>
public sealed record WorkerDrained(string Name, bool Back) : SchedulerEvent;

/// <summary>An experiment that failed is to resume from its journal, after those that wait.</summary>
public sealed record Reopened(string Id) : SchedulerEvent;

/// <summary>An experiment that was submitted, and how it ended.</summary>
/// <param name="Wanted">Pause or cancel; null: that it runs.</param>
public sealed record QueuedExperiment(string Id, Experiment Experiment, string Hash, Ended? End, Control? Wanted = null,
    string? Request = null);

/// <summary>The experiments of a cluster in the order in which they were submitted. Pure.</summary>
public sealed record SchedulerState
{
    public static readonly SchedulerState Empty = new();

    /// <summary>Number of schedulers that there were.</summary>
    public int Terms { get; init; }

    /// <summary>Workers that are given work at a time; null: all.</summary>
    public int? MaxWorkers { get; init; }

    /// <summary>Names of workers that are given no work.</summary>
    public ImmutableHashSet<string> Drained { get; init; } = [];

    public ImmutableList<QueuedExperiment> Experiments { get; init; } = [];

    /// <summary>The one to run: the first that has not ended.</summary>
    public QueuedExperiment? Current => Experiments.FirstOrDefault(e => e.End is null);

    public QueuedExperiment? this[string? id] => id is null ? Current ?? Experiments.LastOrDefault()
        : Experiments.FirstOrDefault(e => e.Id == id);

    /// <summary>What a request was already made into.</summary>
    public QueuedExperiment? ByRequest(string request) => Experiments.FirstOrDefault(e => e.Request == request);

    /// <summary>An identity that was not given yet, made of the experiment's name, that is good for a folder.</summary>
    public string NextId(string name)
    {
        var safe = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' ? c : '-')]);
        return $"{(safe.Length == 0 ? "run" : safe)}-{Experiments.Count + 1}";
    }

    public SchedulerState Apply(SchedulerEvent e) => e switch
    {
        SchedulerStarted => this with { Terms = Terms + 1 },
        WorkersScaled s => this with { MaxWorkers = s.Max },
        WorkerDrained d => this with { Drained = d.Back ? Drained.Remove(d.Name) : Drained.Add(d.Name) },
        ControlWanted c => this with
        {
            Experiments = Experiments.ConvertAll(x => x.Id == c.Id ? x with { Wanted = c.Control == Control.Resume ? null : c.Control }
                : x),
        },
        Submitted s => this with
        {
            Experiments = Experiments.Add(new QueuedExperiment(s.Id, ExperimentJson.Parse(s.Experiment), s.Hash,
            null, Request: s.Request))
        },
        Ended end => this with
        {
            Experiments = Experiments.ConvertAll(x => x.Id == end.Id ? x with { End = end } : x),
        },
        Reopened r => this with
        {
            Experiments = Experiments.RemoveAll(x => x.Id == r.Id).AddRange(Experiments.Where(x => x.Id == r.Id)
                .Select(x => x with { End = null, Wanted = null })),
        },
        _ => throw new ArgumentOutOfRangeException(nameof(e), e.GetType().Name),
    };
}
