using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Scheduling;

/// <summary>What comes of a user's wish for an experiment. Pure.</summary>
/// <param name="Fact">To be journaled; null: the wish is refused.</param>
/// <param name="Answer">For the user, once the fact is in the journal.</param>
public sealed record ControlDecision(SchedulerEvent? Fact, string Answer)
{
    public static ControlDecision Decide(SchedulerState state, ControlExperiment wish)
    {
        if (wish.Control == Control.Resume && state[wish.Id] is { End.Status: ExperimentStatus.Failed } failed)
        {
            return new ControlDecision(
                new Reopened(failed.Id), $"experiment {failed.Id} resumes from where it " +
                $"stopped{(state.Current is null ? "" : ", after those that wait")}.");
        }
        if ((wish.Id is null ? state.Current : state[wish.Id]) is not { End: null } experiment)
            return new ControlDecision(null, wish.Id is null ? "no experiment is running."
                : $"experiment {wish.Id} does not exist, or has ended.");
        if (experiment == state.Current)
        {
            return new ControlDecision(
                new ControlWanted(experiment.Id, wish.Control),
                $"experiment {experiment.Id}: {wish.Control.ToString().ToLowerInvariant()} requested.");
        }
        return wish.Control == Control.Cancel
            ? new ControlDecision(
                new Ended(experiment.Id, ExperimentStatus.Cancelled, "cancelled before its start", null, []),
                $"experiment {experiment.Id} is cancelled.")
            : new ControlDecision(null, $"experiment {experiment.Id} waits for its turn.");
    }
}
