using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Protocol;

/// <summary>Command line → coordinator: run, or take up again, the experiment of this output folder.</summary>
/// <param name="OnlyStage">Run just this stage, from its beginning; the stages that it reads must be done.</param>
public sealed record RunExperiment(string? OnlyStage = null);

/// <summary>Command line → coordinator: checkpoint and stop (Ctrl-C).</summary>
public sealed record StopExperiment;

/// <summary>Command line → coordinator → stage: write a checkpoint and wait, with everything in memory.</summary>
public sealed record PauseExperiment;

/// <summary>Command line → coordinator → stage: resume.</summary>
public sealed record ResumeExperiment;

/// <summary>Coordinator → stage: give this worker nothing more to do; <see cref="WorkerReleased"/> follows.</summary>
public sealed record ReleaseWorker(int Worker);

/// <summary>Stage → coordinator → roster: it continues without the worker.</summary>
public sealed record WorkerReleased(int Worker);

/// <summary>Coordinator → command line: the end of the run.</summary>
public abstract record RunOutcome;

public sealed record RunFinished(ExperimentState State) : RunOutcome;

/// <summary>The one stage that was asked for is done.</summary>
/// <param name="OutOfDate">Completed stages that were built on another result than this one; they are to run again.</param>
public sealed record StageRerun(string Stage, StageResult Result, IReadOnlyList<string> OutOfDate) : RunOutcome;

public sealed record RunStopped(string Stage) : RunOutcome;

public sealed record RunFailed(string Stage, Exception Cause) : RunOutcome;

/// <summary>Stage actor → coordinator: a fact to be journaled; <see cref="FactJournaled"/> follows once it is.</summary>
public sealed record JournalFact(ExperimentEvent Fact);

public sealed record FactJournaled(ExperimentEvent Fact);

/// <summary>Stage actor → coordinator: the stage is done.</summary>
public sealed record CompleteStage(string Stage, StageResult Result);

/// <summary>Stage actor → coordinator: the stage stopped where it can be taken up again.</summary>
public sealed record StageStopped(string Stage);

/// <summary>Stage actor → coordinator: everything is written; the stage waits for <see cref="ResumeExperiment"/>.</summary>
public sealed record StagePaused(string Stage);

public sealed record StageFailed(string Stage, Exception Cause);
