using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Scheduling;

/// <summary>Where the experiment that runs is, as its events tell it. Pure.</summary>
/// <param name="Stage">Null before the first one.</param>
/// <param name="Progress">Null before the stage's first step.</param>
public sealed record RunPosition(string? Stage, StageProgress? Progress, bool Paused)
{
    public RunPosition Apply(RunEvent e) => e switch
    {
        StageStartedEvent started => new RunPosition(started.Stage, null, Paused: false),
        StageProgress progress => new RunPosition(progress.Stage, progress, Paused: false),
        RunPaused => this with { Paused = true },
        _ => this,
    };

    /// <summary>The experiment that runs, for a list.</summary>
    public ListedExperiment List(QueuedExperiment running) => List(running, Paused ? ExperimentStatus.Paused
        : ExperimentStatus.Running) with
    {
        Stage = Stage,
        Done = Progress?.Done,
        Total = Progress?.Total,
        ImagesPerSecond = Progress?.ImagesPerSecond,
    };

    /// <summary>One that waits or is over.</summary>
    public static ListedExperiment ListOther(QueuedExperiment other) => List(other, other.End?.Status ?? ExperimentStatus.Waiting);

    private static ListedExperiment List(QueuedExperiment e, ExperimentStatus status) =>
        new(e.Id, e.Experiment.Name, e.Hash, status, null, null, null, null, e.End?.WeightsSha256, e.End?.Message);
}
