using System.Security.Cryptography;
using ClipMoe.Model;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Experiments;

/// <summary>Compares the files of a run with the hashes in its journal.</summary>
public static class ArtifactCheck
{
    /// <summary>
    /// One event for each file that is missing or changed and still needed: models of completed stages, and of stages under way the newest
    /// intact checkpoint and the shards. An index of labels is intact only with all its shards.
    /// </summary>
    public static IReadOnlyList<ExperimentEvent> Damages(ExperimentState state, StagePlan plan, RunFolder folder, int keep)
    {
        var damages = new List<ExperimentEvent>();
        bool Intact(string file, string sha256) => Sha256(folder.Absolute(file)) == sha256;

        foreach (var stage in plan.Stages)
        {
            if (state.Completed.TryGetValue(stage.Name, out var result))
            {
                if (result is not { File: { } file, Sha256: { } hash }) continue;
                if (Intact(file, hash) && (stage is not ClusterFeatures || LabelsIntact(file, hash))) continue;
                damages.Add(new StageDamaged(stage.Name));
            }
            foreach (var checkpoint in state.Ledger.Where(c => c.Stage == stage.Name).Reverse())
            {
                try
                {
                    new CheckpointStore(folder.Absolute(RunFolder.StageFolder(stage.Name)), keep).Open(checkpoint.ToStep, checkpoint.ManifestSha256);
                    break;
                }
                catch (Exception e) when (e is UserErrorException or IOException or UnauthorizedAccessException)
                {
                    damages.Add(new CheckpointDamaged(stage.Name, checkpoint.ToStep, e.Message));
                }
            }
        }

        foreach (var shard in state.Shards.Where(s => NeededAgain(s.Stage)))
            if (!Intact(shard.File, shard.Sha256))
                damages.Add(new ShardDamaged(shard.Stage, shard.Shard));
        // A completed extraction that lost a shard is taken up again for that shard.
        foreach (var stage in damages.OfType<ShardDamaged>().Select(d => d.Stage).Distinct().Where(state.Completed.ContainsKey).ToList())
            damages.Add(new StageDamaged(stage));
        return damages;

        bool LabelsIntact(string file, string sha256)
        {
            var path = folder.Absolute(file);
            var index = LabelIndexFile.Read(path, sha256);
            return Enumerable.Range(0, index.Layout.Count).All(shard => Sha256(LabelIndexFile.ShardPath(path, shard)) == index.Sha256(shard));
        }

        bool NeededAgain(string extraction) =>
            plan.Stages.OfType<ClusterFeatures>().Any(c =>
                c.Features == extraction && (!state.Completed.ContainsKey(c.Name) || damages.Contains(new StageDamaged(c.Name))));
    }

    /// <summary>Lower-case hex SHA-256 of a file, or null when it is missing or unreadable.</summary>
    public static string? Sha256(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public static string Describe(ExperimentEvent damage) => damage switch
    {
        CheckpointDamaged c => $"the checkpoint of stage {c.Stage} after step {c.ToStep} can't be used, so the one before it is: {c.Why}",
        ShardDamaged s => $"feature shard {s.Shard} of stage {s.Stage} is missing or damaged: it is extracted again",
        StageDamaged s => $"the result of stage {s.Stage} is missing or damaged: it is made again from what is intact",
        _ => damage.ToString(),
    };
}
