using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Protocol;

/// <summary>Names one attempt at one step. A message with another identity than the current one is stale: it is dropped and counted.</summary>
/// <param name="Generation">Counts the lists of members within a stage.</param>
/// <param name="Step">0-based step of the stage.</param>
public sealed record StepId(string Stage, int Generation, int Step);

/// <summary>A contiguous run of leaves: <c>First</c> inclusive, <c>End</c> exclusive.</summary>
public readonly record struct LeafRange(int First, int End);

/// <summary>Session → worker: build the replica that the stage starts or goes on from.</summary>
/// <param name="Model">Model file that the stage starts from, relative to the output folder; null: seeded initialisation.</param>
/// <param name="Labels">Index of the pseudo labels, for cluster-pure batches.</param>
/// <param name="Checkpoint">Manifest hash of the checkpoint after <paramref name="Step"/> steps; null at step 0.</param>
public sealed record JoinStage(TrainModel Spec, int TotalSteps, int Step, string? Model, WrittenFile? Labels, string? Checkpoint);

/// <summary>Worker → session: the replica stands at <c>Step</c>.</summary>
public sealed record StageJoined(string Stage, int Worker, int Step, string StateHash);

/// <summary>Aggregator → worker: the members of a generation and the leaves that this one owns.</summary>
public sealed record OpenGeneration(string Stage, int Generation, int Rank, int World, LeafRange Leaves);

/// <summary>Aggregator → worker: compute the step up to its reduced gradient.</summary>
public sealed record PlanStep(StepId Id);

/// <summary>Worker → aggregator: the reduced gradient is here, with this hash; nothing is changed yet.</summary>
/// <param name="LeafLosses">Losses of the sender's leaves, in leaf order.</param>
public sealed record GradientReady(StepId Id, int Worker, string GradientHash, IReadOnlyList<StepLoss> LeafLosses, double LearningRate);

/// <summary>Aggregator → worker: every member reported the same hash, so the step counts. Update the weights.</summary>
/// <param name="Checkpoint">Write the state after this step to disk.</param>
/// <param name="Continue">Go on with the next step at once, without a message of its own.</param>
public sealed record CommitStep(StepId Id, bool Checkpoint, bool Continue);

/// <summary>Worker → session: the state after <c>Step</c> steps is safely on disk. <c>Model</c>: the finished model, after the last step.</summary>
public sealed record CheckpointWritten(string Stage, int Step, string ManifestSha256, WrittenFile? Model);

/// <summary>A file in the output folder (relative path) with its SHA-256.</summary>
public sealed record WrittenFile(string Path, string Sha256);

/// <summary>Session → worker: all steps are done already; only the model file is missing. Write it.</summary>
public sealed record WriteModel(string Stage);

/// <summary>Session → worker: the stage is over, free its tensors.</summary>
public sealed record LeaveStage(string Stage);

/// <summary>Worker → whoever gave it the work: it failed, and why in one sentence.</summary>
public sealed record WorkFailed(string Stage, int Worker, Exception Cause);

/// <summary>Worker → whoever gave it the work: dropped, because its stage or generation ended meanwhile.</summary>
public sealed record WorkAborted(string Stage, int Worker);

/// <summary>Aggregator → session: a step is committed.</summary>
public sealed record StepProgress(string Stage, int Step, StepLoss Loss, double LearningRate);

/// <summary>Aggregator → session: members disagree, so nothing was committed.</summary>
public sealed record ReplicasDisagree(StepId Id, IReadOnlyDictionary<int, string> HashByWorker);

/// <summary>Session → aggregator: after the step in flight, write a checkpoint and stop.</summary>
public sealed record StopTraining(string Stage);
