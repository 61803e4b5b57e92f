using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Training;

public sealed record PlannedMember(int Worker, LeafRange Leaves, CatchUp Entry);

/// <summary>Which workers take part in a generation with which leaves, and where it begins. Pure.</summary>
/// <param name="Step">Committed steps.</param>
/// <param name="Members">In rank order; at least one is in place.</param>
public sealed record GenerationPlan(int Step, IReadOnlyList<PlannedMember> Members)
{
    /// <summary>
    /// Begins where the farthest replica stands: a step that one member applied is committed, and replicas that are behind catch up. With
    /// several states there, the one that most replicas share is right.
    /// </summary>
    /// <param name="positions">By worker; at least one.</param>
    /// <param name="leaves">Leaves of a batch; workers beyond that number stay out.</param>
    /// <returns>Null when as many replicas are in one state as in another, so that there is no telling which is right.</returns>
    public static GenerationPlan? Create(IReadOnlyDictionary<int, ReplicaPosition> positions, int leaves)
    {
        var step = positions.Values.Max(s => s.Step);
        var states = positions.Values.Where(s => s.Step == step).GroupBy(s => s.StateHash).OrderByDescending(g => g.Count()).ToList();
        if (states.Count > 1 && states[0].Count() == states[1].Count()) return null;
        var right = states[0].First();

        var entries = positions.Select(s => (Worker: s.Key, Entry: EntryOf(s.Value)))
            .OrderBy(e => e.Entry).ThenBy(e => e.Worker).Take(leaves).OrderBy(e => e.Worker).ToList();
        return new GenerationPlan(step, [.. entries.Select((e, rank) => new PlannedMember(e.Worker, LeavesOf(rank), e.Entry))]);

        CatchUp EntryOf(ReplicaPosition position)
        {
            if (position.Step == step) return position.StateHash == right.StateHash ? CatchUp.InPlace : CatchUp.Copy;
            var holdsLast = position.Step == step - 1 && position.PendingGradient is { } pending && pending == right.LastGradient;
            return holdsLast ? CatchUp.Apply : CatchUp.Copy;
        }

        LeafRange LeavesOf(int rank)
        {
            var (first, end) = LeafPartition.Leaves(rank, leaves, entries.Count);
            return new LeafRange(first, end);
        }
    }
}
