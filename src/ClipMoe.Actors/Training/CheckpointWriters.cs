using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Training;

/// <summary>Which workers write a checkpoint, of those that have the same state. Pure.</summary>
/// <param name="Writer">Reports it.</param>
/// <param name="Copier">
/// Writes the same files into another output folder, so that the loss of a node costs no training; null where all share one folder.
/// </param>
public sealed record CheckpointWriters(int Writer, int? Copier)
{
    /// <param name="candidates">The first one writes.</param>
    /// <returns>Null when there are none.</returns>
    public static CheckpointWriters? Choose(IReadOnlyList<Worker> candidates) => candidates.Count == 0
        ? null
        : new CheckpointWriters(candidates[0].Number, candidates.FirstOrDefault(c => c.Info.Output != candidates[0].Info.Output)?.Number);

    public CheckpointDuty DutyOf(int worker) => worker == Writer ? CheckpointDuty.Write : worker == Copier ? CheckpointDuty.Copy
        : CheckpointDuty.None;
}
