using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>Messages in a few words, for readers of a counterexample.</summary>
internal static class Trace
{
    public static string Of(object message) => message switch
    {
        JoinStage join => $"JoinStage at step {join.Step}{(join.Checkpoint is { } written ? $" by checkpoint '{written}'" : "")}",
        StageJoined joined => $"StageJoined {Of(joined.Position)}",
        OpenGeneration { Leaves: var leaves } open =>
            $"OpenGeneration {open.Generation} at {open.Step} by {open.Entry}, leaves {leaves.First} to {leaves.End}",
        ComputeStep plan => $"PlanStep {Of(plan.Id)}",
        GradientReady ready => $"GradientReady {Of(ready.Id)} by {ready.Worker}: gradient {ready.GradientHash}, weights {ready.StateHash}",
        CommitStep commit => $"CommitStep {Of(commit.Id)}, checkpoint {commit.Checkpoint}, {(commit.Continue ? "go on" : "hold")}",
        StateReached reached => $"StateReached {Of(reached.Id)}: weights {reached.StateHash}",
        GenerationAbandoned abandoned => $"GenerationAbandoned {abandoned.Generation} by {abandoned.Worker}, {Of(abandoned.Position)}",
        JournalFact { Fact: var fact } => $"JournalFact {Of(fact)}",
        FactJournaled { Fact: var fact } => $"FactJournaled {Of(fact)}",
        StepsCheckpointed steps =>
            $"steps {steps.FromStep} to {steps.ToStep}, losses of {string.Join(", ", steps.Losses.Select(l => l.Step))}",
        WorkerArrived arrived => $"WorkerArrived {arrived.Worker.Number}",
        _ => message.ToString()!,
    };

    private static string Of(StepId id) => $"step {id.Step} of generation {id.Generation}";

    private static string Of(ReplicaPosition position) =>
        $"at {position.Step}, weights {position.StateHash}, last {position.LastGradient ?? "-"}, pending {position.PendingGradient ?? "-"}";
}
