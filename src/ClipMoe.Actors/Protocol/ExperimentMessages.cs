using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Protocol;

/// <summary>Command line → coordinator: run, or take up again, the experiment of this output folder.</summary>
/// <param name="OnlyStage">Run just this stage, from its beginning; the stages that it reads must be done.</param>
public sealed record RunExperiment(string? OnlyStage = null);

/// <summary>Command line → coordinator: checkpoint and stop (Ctrl-C).</summary>
public sealed record StopExperiment;

/// <summary>Coordinator → command line: the end of the run.</summary>
public abstract record RunOutcome;

public sealed record RunFinished(ExperimentState State) : RunOutcome;

/// <summary>The one stage that was asked for is done.</summary>
/// <param name="Before">Its result before, for comparison; null when it had not run.</param>
public sealed record StageRerun(string Stage, StageResult Result, StageResult? Before) : RunOutcome;

public sealed record RunStopped(string Stage) : RunOutcome;

public sealed record RunFailed(string Stage, Exception Cause) : RunOutcome;

/// <summary>Stage actor → coordinator: a fact to be journaled; <see cref="FactJournaled"/> follows once it is.</summary>
public sealed record JournalFact(ExperimentEvent Fact);

public sealed record FactJournaled(ExperimentEvent Fact);

/// <summary>Stage actor → coordinator: the stage is done.</summary>
public sealed record StageDone(string Stage, StageResult Result);

/// <summary>Stage actor → coordinator: the stage stopped where it can be taken up again.</summary>
public sealed record StageStopped(string Stage);

public sealed record StageFailed(string Stage, Exception Cause);
