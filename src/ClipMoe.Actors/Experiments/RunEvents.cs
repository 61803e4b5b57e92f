namespace ClipMoe.Actors.Experiments;

/// <summary>What people see of a run while it runs. Nothing depends on these events; what counts is in the journal.</summary>
public abstract record RunEvent;

public sealed record RunStarted(
    string Experiment, string Hash, string OutputFolder, int Workers, string Device, IReadOnlyList<PlannedStage> Stages) : RunEvent;

/// <summary>A stage as far as it is known before the run.</summary>
/// <param name="Kind">The name of a <see cref="StageKind"/>.</param>
/// <param name="Trains">What a training stage trains; null for others.</param>
/// <param name="Steps">Steps of a training stage; null for others, and where epochs decide.</param>
/// <param name="Epochs">Epochs of a training stage without a number of steps.</param>
public sealed record PlannedStage(string Name, string Kind, TrainedPart? Trains = null, int? Steps = null, int? Epochs = null)
{
    public static PlannedStage FromSpec(StageSpec spec) => spec is TrainModel { Trains: var trains, Duration: var duration }
        ? new PlannedStage(spec.Name, spec.Kind, trains, duration.Steps, duration.Steps is null ? duration.Epochs : null)
        : new PlannedStage(spec.Name, spec.Kind);
}

/// <param name="TotalSteps">Steps of a training stage; null for others.</param>
/// <param name="Step">Steps that an earlier run already did.</param>
public sealed record StageStartedEvent(string Stage, int? TotalSteps, int Step) : RunEvent;

/// <param name="Done">Steps, shards, samples or iterations, whatever the stage counts.</param>
/// <param name="Loss">Loss of the last step (training), inertia (clustering).</param>
/// <param name="LearningRate">Of the last step (training).</param>
public sealed record StageProgress(
    string Stage, int Done, int Total, double? Loss, double? LearningRate, double? ImagesPerSecond, int Workers) : RunEvent
{
    /// <summary>In training: counts the lists of workers that took steps together. Null in other stages.</summary>
    public int? Generation { get; init; }

    /// <summary>What the last step measured (training).</summary>
    public IReadOnlyList<MetricValue>? Metrics { get; init; }
}

public sealed record StageCompletedEvent(string Stage, StageResult Result) : RunEvent;

/// <summary>One model was measured.</summary>
public sealed record ModelMeasured(string Stage, RetrievalScores Scores) : RunEvent;

public sealed record CheckpointSaved(string Stage, int Step, string File) : RunEvent;

/// <summary>Everything is written; the run waits for a resume.</summary>
public sealed record RunPaused(string Stage) : RunEvent;

public sealed record RunWarning(string Message) : RunEvent;

/// <param name="ReportFile">The report for people, <c>report.html</c>.</param>
public sealed record RunEnded(string WeightsSha256, string Checkpoint, string ReportFile) : RunEvent;
