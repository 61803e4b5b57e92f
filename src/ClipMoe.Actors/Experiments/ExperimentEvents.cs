using System.Text.Json.Serialization;
using ClipMoe.Actors.Files;

namespace ClipMoe.Actors.Experiments;

/// <summary>
/// What the journal holds: small facts, each written once its effect is safely on disk. Replaying them gives the state of the run;
/// everything between the last fact and a crash is done again, with the same result.
/// </summary>
/// <remarks>Under these names the journal holds the events. A name stays when its type is renamed.</remarks>
[JsonDerivedType(typeof(ExperimentAccepted), "accepted-1")]
[JsonDerivedType(typeof(DataPrepared), "data-1")]
[JsonDerivedType(typeof(CoordinatorStarted), "coordinator-1")]
[JsonDerivedType(typeof(StageStarted), "stage-started-1")]
[JsonDerivedType(typeof(StepsPlanned), "steps-planned-1")]
[JsonDerivedType(typeof(StepsCheckpointed), "steps-1")]
[JsonDerivedType(typeof(CheckpointDamaged), "checkpoint-damaged-1")]
[JsonDerivedType(typeof(ShardExtracted), "shard-1")]
[JsonDerivedType(typeof(ShardDamaged), "shard-damaged-1")]
[JsonDerivedType(typeof(StageCompleted), "stage-completed-1")]
[JsonDerivedType(typeof(StageDamaged), "stage-damaged-1")]
[JsonDerivedType(typeof(StageReset), "stage-reset-1")]
[JsonDerivedType(typeof(ExperimentCompleted), "completed-1")]
public abstract record ExperimentEvent;

/// <param name="Conditions">Null for a run of a cluster, whose workers come and go.</param>
public sealed record ExperimentAccepted(string Name, string Hash, string DataPath, ComputeConditions? Conditions = null) : ExperimentEvent;

/// <summary>What besides the experiment decides the bits of its weights.</summary>
/// <param name="Device">cpu or cuda:N.</param>
/// <param name="Threads">Of each worker.</param>
/// <param name="Precision">fp32 or bf16.</param>
public sealed record ComputeConditions(string Device, int Threads, string Precision)
{
    public override string ToString() => $"{Device}, {Threads} {(Threads == 1 ? "thread" : "threads")} per worker, {Precision}";
}

/// <summary>A coordinator took over: there are as many terms as these.</summary>
public sealed record CoordinatorStarted : ExperimentEvent;

/// <summary>The data set as found: later stages must find the same (<c>Fingerprint</c>).</summary>
/// <param name="Files">What was written about it into the output folder and every worker needs.</param>
public sealed record DataPrepared(
    string Fingerprint, int Train, int Test, int Bad, string VocabularySha256, IReadOnlyList<WrittenFile> Files) : ExperimentEvent
{
    /// <summary>Side of the images in pixels that the base model takes.</summary>
    public int? ImageResolution { get; init; }

    /// <summary>Of the checkpoint that is taken over as the base; null when the base is trained from scratch.</summary>
    public string? CheckpointSha256 { get; init; }
}

public sealed record StageStarted(string Stage) : ExperimentEvent;

/// <summary>A worker has counted the steps of a training stage.</summary>
public sealed record StepsPlanned(string Stage, int TotalSteps) : ExperimentEvent;

/// <summary>
/// Steps <c>FromStep</c> (inclusive) to <c>ToStep</c> (exclusive) are committed and their result is in the checkpoint after <c>ToStep</c>.
/// The intervals of a stage join without gap or overlap: they are the ledger of the samples used.
/// </summary>
public sealed record StepsCheckpointed(
    string Stage, int FromStep, int ToStep, string ManifestSha256, double Seconds, IReadOnlyList<LossSample> Losses) : ExperimentEvent
{
    /// <summary>The newest generation when the checkpoint was written; these only grow. Null in journals of earlier versions.</summary>
    public int? Generation { get; init; }

    /// <summary>What was measured over these steps. Null in journals of earlier versions.</summary>
    public IReadOnlyList<MetricSummary>? Metrics { get; init; }
}

/// <summary>The global loss before the update of <c>Step</c>.</summary>
public sealed record LossSample(int Step, double Loss);

/// <summary>The newest checkpoint of a stage no longer matches its hash: its steps leave the ledger and are done again.</summary>
public sealed record CheckpointDamaged(string Stage, int ToStep, string Why) : ExperimentEvent;

public sealed record ShardExtracted(string Stage, int Shard, string File, string Sha256) : ExperimentEvent;

/// <summary>The file of a shard no longer matches its hash: it is extracted again.</summary>
public sealed record ShardDamaged(string Stage, int Shard) : ExperimentEvent;

public sealed record StageCompleted(string Stage, StageResult Result) : ExperimentEvent;

/// <summary>
/// The file that a stage left no longer matches its hash: the stage is finished again from its last checkpoint or shards.
/// </summary>
public sealed record StageDamaged(string Stage) : ExperimentEvent;

/// <summary>A stage is to run again from its beginning: its result, its steps and its shards are forgotten.</summary>
public sealed record StageReset(string Stage) : ExperimentEvent;

/// <summary>
/// What a stage leaves behind: its main file (relative to the output folder) and the file's hash, and figures for the report.
/// </summary>
public sealed record StageResult(string? File, string? Sha256, double Seconds)
{
    public int? Steps { get; init; }
    public double? FinalLoss { get; init; }
    public double? ImagesPerSecond { get; init; }
    /// <summary>Samples per joint cluster, largest first (clustering stages).</summary>
    public IReadOnlyList<int>? ClusterSizes { get; init; }
}

public sealed record ExperimentCompleted(string WeightsSha256) : ExperimentEvent;

/// <summary>
/// The journal can't be read or written now. What is in it is kept, and a later coordinator resumes from there.
/// </summary>
public sealed class JournalException(string message, Exception inner) : IOException(message, inner);
