using System.Text.Json.Serialization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Actors.Protocol;

/// <summary>
/// Names one attempt at one step. A message with another identity than the current one is stale: it is dropped and counted.
/// </summary>
/// <param name="Generation">Counts the lists of members; a number that was used once in an experiment never comes again.</param>
/// <param name="Step">0-based step of the stage.</param>
public sealed record StepId(string Stage, int Generation, int Step);

/// <summary>A contiguous run of leaves: <c>First</c> inclusive, <c>End</c> exclusive.</summary>
public readonly record struct LeafRange(int First, int End);

/// <summary>
/// Session → worker: build the replica that the stage starts or resumes from. A worker that has it already keeps its state.
/// </summary>
/// <param name="Attempt">Counts the restarts of the stage; a replica of another attempt is of no use.</param>
/// <param name="Model">Model file that the stage starts from; null: seeded initialization.</param>
/// <param name="Labels">Index of the pseudo labels, for cluster-pure batches.</param>
/// <param name="Checkpoint">Manifest hash of the checkpoint after <paramref name="Step"/> steps; null at step 0.</param>
public sealed record JoinStage(TrainModel Spec, int Attempt, int Step, WrittenFile? Model, WrittenFile? Labels, string? Checkpoint);

/// <summary>Worker → session: the replica is there.</summary>
/// <param name="TotalSteps">Of the whole stage.</param>
public sealed record StageJoined(string Stage, int Worker, int TotalSteps, [property: JsonPropertyName("Standing")]
    ReplicaPosition Position);

/// <summary>Where a replica stands.</summary>
/// <param name="Step">Committed steps.</param>
/// <param name="StateHash">Of its weights.</param>
/// <param name="LastGradient">Hash of the gradient of its last committed step; null where it does not know.</param>
/// <param name="PendingGradient">Hash of the gradient of step <paramref name="Step"/>, which it has but was not told to apply.</param>
public sealed record ReplicaPosition(int Step, string StateHash, string? LastGradient, string? PendingGradient);

/// <summary>One member of a generation, as the others need to know it.</summary>
public sealed record GenerationMember(int Worker, BulkEndpoint Endpoint);

/// <summary>A run of worker numbers: <c>First</c> inclusive, <c>End</c> exclusive.</summary>
public readonly record struct WorkerRange(int First, int End);

/// <summary>
/// Aggregator → worker: the members of a generation, and where it begins. Each is introduced to the receiver once a session, so that a
/// change of one among a thousand is a small message.
/// </summary>
/// <param name="Members">Ascending, which is their rank order.</param>
/// <param name="Introduced">Those of them that the receiver may not know yet, as <c>MemberDirectory</c> packs them.</param>
/// <param name="Step">Committed steps.</param>
/// <param name="Entry">How the receiver gets there.</param>
/// <param name="Donors">Some members that stand there, to copy from.</param>
public sealed record OpenGeneration(
    string Stage, int Generation, int Rank, IReadOnlyList<WorkerRange> Members, byte[] Introduced, LeafRange Leaves, int Step,
    CatchUp Entry,
    IReadOnlyList<GenerationMember> Donors);

/// <summary>Aggregator → worker: compute the step up to its reduced gradient.</summary>
public sealed record ComputeStep(StepId Id);

/// <summary>Worker → aggregator: the reduced gradient is here, with this hash; nothing is changed yet.</summary>
/// <param name="StateHash">Of the weights that the step was computed with.</param>
/// <param name="Metrics">What the sender measured; what they are is told with its first report of a generation.</param>
public sealed record GradientReady(StepId Id, int Worker, string GradientHash, string StateHash, MetricReport Metrics);

/// <summary>Aggregator → worker: every member reported the same hashes, so the step counts. Update the weights.</summary>
/// <param name="Checkpoint">Of the state before, which all members have agreed on.</param>
/// <param name="Continue">Go on with the next step at once, without a message of its own. Otherwise <see cref="StateReached"/>
/// follows.</param>
public sealed record CommitStep(StepId Id, CheckpointDuty Checkpoint, bool Continue);

/// <summary>What one worker does for a checkpoint.</summary>
public enum CheckpointDuty
{
    None,

    /// <summary>Write it, and report it with <see cref="CheckpointWritten"/>.</summary>
    Write,

    /// <summary>Write the same files, for when the writer's node is lost. Nothing else depends on whether that succeeds.</summary>
    Copy,
}

/// <summary>Worker → aggregator: the last step of the generation is applied.</summary>
/// <param name="Id">Of the step that would be next.</param>
public sealed record StateReached(StepId Id, int Worker, string StateHash);

/// <summary>
/// Worker → session: the state after <c>Step</c> steps is safely on disk. <c>Model</c>: the finished model, after the last step.
/// </summary>
public sealed record CheckpointWritten(string Stage, int Step, int Worker, string ManifestSha256, WrittenFile? Model);

/// <summary>Worker → session: there is no second copy of a checkpoint.</summary>
public sealed record CheckpointNotCopied(string Stage, int Worker, string What);

/// <summary>Session → worker: write a checkpoint of what is committed, and after the last step the model file.</summary>
public sealed record WriteCheckpoint(string Stage, CheckpointDuty Duty);

/// <summary>Session → worker: the stage is over, or continues without you; free its tensors.</summary>
/// <param name="Why">Null at the end of the stage; otherwise what the worker is to log.</param>
public sealed record LeaveStage(string Stage, string? Why = null);

/// <summary>Worker → session: its tensors are freed, after it was told to leave before the stage's end.</summary>
public sealed record StageLeft(string Stage, int Worker);

/// <summary>Worker → session: a stream to a peer broke, so the step never happened.</summary>
/// <param name="Peer">Worker number of the peer whose stream showed it.</param>
public sealed record ExchangeBroke(string Stage, int Generation, int Worker, int Peer, string What);

/// <summary>Worker → session: it could not copy the state that its generation begins with, so it can't take part.</summary>
public sealed record CopyFailed(string Stage, int Generation, int Worker, string What);

/// <summary>Session → worker: generations up to this one are over. Stop waiting for others, and say where your replica stands.</summary>
public sealed record AbandonGeneration(string Stage, int Generation);

/// <summary>Worker → session, at once: it lives.</summary>
public sealed record StillHere(string Stage, int Generation, int Worker);

/// <summary>Worker → session, when its device is free again.</summary>
public sealed record GenerationAbandoned(
    string Stage, int Generation, int Worker, [property: JsonPropertyName("Standing")] ReplicaPosition Position);

/// <summary>Session → aggregator: after the step in flight stop; <see cref="GenerationHeld"/> follows.</summary>
public sealed record HoldGeneration;

/// <summary>Aggregator → session: the generation ended with so many steps committed; all members stand there, in the same state.</summary>
public sealed record GenerationHeld(int Generation, int Step);

/// <summary>Aggregator → session: a step is committed.</summary>
/// <param name="Pace">With this step.</param>
public sealed record StepProgress(StepId Id, MetricBag Metrics, StepPace Pace);

/// <summary>Aggregator → session: members disagree, so nothing was committed.</summary>
public sealed record ReplicasDisagree(StepId Id, IReadOnlyList<ReplicaReport> Reports);

/// <param name="GradientHash">Null after the last step of a generation.</param>
public sealed record ReplicaReport(int Worker, string StateHash, string? GradientHash);

/// <summary>Aggregator → session: the step takes far longer than those before it did.</summary>
public sealed record StepOverdue(StepId Id, TimeSpan After);
