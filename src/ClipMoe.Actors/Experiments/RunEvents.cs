namespace ClipMoe.Actors.Experiments;

/// <summary>What people see of a run while it goes on. Nothing depends on these events; what counts is in the journal.</summary>
public abstract record RunEvent;

public sealed record RunStarted(string Experiment, string Hash, string OutputFolder, int Workers, string Device, IReadOnlyList<string> Stages) : RunEvent;

/// <param name="TotalSteps">Steps of a training stage; null for others.</param>
/// <param name="Step">Steps that an earlier run already did.</param>
public sealed record StageStartedEvent(string Stage, int? TotalSteps, int Step) : RunEvent;

/// <param name="Done">Steps, shards, samples or iterations, whatever the stage counts.</param>
/// <param name="Loss">Loss of the last step (training), inertia (clustering).</param>
/// <param name="LearningRate">Of the last step (training).</param>
public sealed record StageProgress(
    string Stage, int Done, int Total, double? Loss, double? LearningRate, double? ImagesPerSecond, int Workers) : RunEvent;

public sealed record StageFinished(string Stage, StageResult Result) : RunEvent;

public sealed record CheckpointSaved(string Stage, int Step, string File) : RunEvent;

public sealed record RunWarning(string Message) : RunEvent;

/// <param name="ReportFile">The report for people, <c>report.html</c>.</param>
public sealed record RunEnded(string WeightsSha256, string Checkpoint, string ReportFile) : RunEvent;
