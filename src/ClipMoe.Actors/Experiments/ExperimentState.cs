using System.Collections.Immutable;
using ClipMoe.Actors.Files;

namespace ClipMoe.Actors.Experiments;

/// <summary>The state of a run, folded from its journal. Pure: no clock, no files, no actors.</summary>
public sealed record ExperimentState
{
    public static readonly ExperimentState Empty = new();

    public ExperimentAccepted? Accepted { get; init; }

    /// <summary>Coordinators that there were.</summary>
    public int Terms { get; init; }

    public DataPrepared? Data { get; init; }
    public ImmutableDictionary<string, StageResult> Completed { get; init; } = ImmutableDictionary<string, StageResult>.Empty;
    public ImmutableList<StepsCheckpointed> Ledger { get; init; } = [];
    public ImmutableList<ShardExtracted> Shards { get; init; } = [];
    public ImmutableDictionary<string, int> TotalSteps { get; init; } = ImmutableDictionary<string, int>.Empty;

    /// <summary>How often each stage was restarted.</summary>
    public ImmutableDictionary<string, int> Attempts { get; init; } = ImmutableDictionary<string, int>.Empty;
    public string? WeightsSha256 { get; init; }

    public ExperimentState Apply(ExperimentEvent e) => e switch
    {
        ExperimentAccepted a => this with { Accepted = a },
        DataPrepared d => this with { Data = d },
        CoordinatorStarted => this with { Terms = Terms + 1 },
        StageStarted => this,
        StepsPlanned p => this with { TotalSteps = TotalSteps.SetItem(p.Stage, p.TotalSteps) },
        StepsCheckpointed c => this with { Ledger = Ledger.Add(c) },
        CheckpointDamaged c => this with { Ledger = Ledger.RemoveAll(l => l.Stage == c.Stage && l.ToStep >= c.ToStep) },
        ShardExtracted s => this with { Shards = Shards.Add(s) },
        ShardDamaged d => this with { Shards = Shards.RemoveAll(s => s.Stage == d.Stage && s.Shard == d.Shard) },
        StageDamaged d => this with { Completed = Completed.Remove(d.Stage), WeightsSha256 = null },
        StageReset r => this with
        {
            Attempts = Attempts.SetItem(r.Stage, Attempts.GetValueOrDefault(r.Stage) + 1),
            Completed = Completed.Remove(r.Stage),
            Ledger = Ledger.RemoveAll(l => l.Stage == r.Stage),
            Shards = Shards.RemoveAll(s => s.Stage == r.Stage),
            WeightsSha256 = null,
        },
        StageCompleted s => this with { Completed = Completed.SetItem(s.Stage, s.Result) },
        ExperimentCompleted c => this with { WeightsSha256 = c.WeightsSha256 },
        _ => throw new ArgumentOutOfRangeException(nameof(e), e.GetType().Name),
    };

    /// <summary>The first stage of the plan that is not completed; null when the run is finished.</summary>
    public StageSpec? Next(StagePlan plan) => plan.Stages.FirstOrDefault(s => !Completed.ContainsKey(s.Name));

    /// <summary>What a completed stage left behind.</summary>
    public WrittenFile FileOf(string stage) => new(Completed[stage].File!, Completed[stage].Sha256!);

    /// <summary>Where a training stage continues: the number of its steps that are committed and on disk.</summary>
    public int CommittedSteps(string stage) => Ledger.LastOrDefault(c => c.Stage == stage)?.ToStep ?? 0;

    /// <summary>Steps of a training stage; null before a worker has counted them.</summary>
    public int? StepsOf(string stage) => TotalSteps.TryGetValue(stage, out var steps) ? steps : null;

    /// <summary>Loss samples of a stage in step order.</summary>
    public IEnumerable<LossSample> Losses(string stage) => Ledger.Where(c => c.Stage == stage).SelectMany(c => c.Losses);

    /// <summary>What a stage measured, in step order.</summary>
    public IReadOnlyList<MetricSeries> Metrics(string stage) => MetricSeries.FromIntervals(Ledger.Where(c => c.Stage == stage));

    public double SecondsSpent(string stage) => Ledger.Where(c => c.Stage == stage).Sum(c => c.Seconds);
}
