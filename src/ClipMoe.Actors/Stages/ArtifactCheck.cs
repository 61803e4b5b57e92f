using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Model;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Stages;

/// <summary>Compares the files of a run with the hashes in its journal.</summary>
public static class ArtifactCheck
{
    /// <summary>
    /// One event for each file that is missing or changed and still needed: models of completed stages, and of stages under way the newest
    /// intact checkpoint and the shards. An index of labels is intact only with all its shards.
    /// </summary>
    public static IReadOnlyList<ExperimentEvent> Damages(ExperimentState state, StagePlan plan, RunFiles files,
        CancellationToken cancellation = default)
    {
        var damages = new List<ExperimentEvent>();
        foreach (var stage in plan.Stages)
        {
            cancellation.ThrowIfCancellationRequested();
            if (state.Completed.TryGetValue(stage.Name, out var result))
            {
                if (result is not { File: { } path, Sha256: { } hash }) continue;
                var file = new WrittenFile(path, hash);
                if (files.Has(file) && (stage is not ClusterFeatures || LabelsIntact(file))) continue;
                damages.Add(new StageDamaged(stage.Name));
            }
            foreach (var checkpoint in state.Ledger.Where(c => c.Stage == stage.Name).Reverse())
            {
                if (WhyDamaged(checkpoint) is not { } why) break;
                damages.Add(new CheckpointDamaged(stage.Name, checkpoint.ToStep, why));
            }
        }

        var again = plan.Stages.OfType<ClusterFeatures>()
            .Where(c => !state.Completed.ContainsKey(c.Name) || damages.Contains(new StageDamaged(c.Name))).Select(c => c.Features)
            .ToHashSet();
        foreach (var shard in state.Shards.Where(s => again.Contains(s.Stage)))
            if (!files.Has(new WrittenFile(shard.File, shard.Sha256)))
                damages.Add(new ShardDamaged(shard.Stage, shard.Shard));
        // A completed extraction that lost a shard is taken up again for that shard.
        foreach (var stage in damages.OfType<ShardDamaged>().Select(d => d.Stage).Distinct().Where(state.Completed.ContainsKey).ToList())
            damages.Add(new StageDamaged(stage));
        return damages;

        bool LabelsIntact(WrittenFile index)
        {
            string path;
            try
            {
                path = files.Local(index);
            }
            catch (LostFileException)
            {
                return false;
            }
            var labels = LabelIndexFile.Read(path, index.Sha256);
            return Enumerable.Range(0, labels.Layout.Count).All(shard => files.Has(new WrittenFile(
                Path.Combine(Path.GetDirectoryName(index.Path)!, Path.GetFileName(LabelIndexFile.ShardPath(path, shard))),
                labels.Sha256(shard))));
        }

        string? WhyDamaged(StepsCheckpointed checkpoint)
        {
            try
            {
                files.Check(checkpoint.Stage, checkpoint.ToStep, checkpoint.ManifestSha256);
                return null;
            }
            catch (Exception e) when (e is UserErrorException or IOException or UnauthorizedAccessException)
            {
                return e.Message;
            }
        }
    }

    /// <summary>What is to be recomputed when a file of the run is nowhere as it was written. Pure.</summary>
    /// <param name="why">For people.</param>
    /// <returns>Empty when no journaled fact rests on the file.</returns>
    public static IReadOnlyList<ExperimentEvent> Damages(ExperimentState state, WrittenFile lost, string why)
    {
        if (state.Ledger.FirstOrDefault(c => RunFiles.Manifest(c.Stage, c.ToStep, c.ManifestSha256) == lost) is { } checkpoint)
            return [new CheckpointDamaged(checkpoint.Stage, checkpoint.ToStep, why)];
        if (state.Shards.FirstOrDefault(s => new WrittenFile(s.File, s.Sha256) == lost) is { } shard)
            return [new ShardDamaged(shard.Stage, shard.Shard), .. Completed(shard.Stage)];
        // Shards of labels lie beside their index, which the journal names.
        var folder = Path.GetDirectoryName(lost.Path);
        return [.. state.Completed.Where(c => Path.GetDirectoryName(c.Value.File) == folder).SelectMany(c => Completed(c.Key))];

        IEnumerable<ExperimentEvent> Completed(string stage) => state.Completed.ContainsKey(stage) ? [new StageDamaged(stage)] : [];
    }

    public static string Describe(ExperimentEvent damage) => damage switch
    {
        CheckpointDamaged c => $"the checkpoint of stage {c.Stage} after step {c.ToStep} can't be used; using the one before it: {c.Why}",
        ShardDamaged s => $"feature shard {s.Shard} of stage {s.Stage} is missing or damaged; extracting it again",
        StageDamaged s => $"the result of stage {s.Stage} is missing or damaged; recomputing it from what is intact",
        _ => damage.ToString(),
    };
}
