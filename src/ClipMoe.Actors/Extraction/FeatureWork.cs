using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Actors.Extraction;

/// <summary>A worker's part in an extraction stage: one model, shard after shard. Lives on the device thread.</summary>
internal sealed class FeatureWork(Workspace workspace, ExtractShard first) : IDisposable
{
    private readonly Replica _replica = workspace.Models.Load(first.Model, TrainableParameters.None);

    public string Stage => first.Stage;

    public ShardReady Extract(ExtractShard shard, int worker, CancellationToken cancellation)
    {
        var samples = workspace.Data.Train.AsSpan(shard.First, shard.End - shard.First);
        var features = FeatureBatches.Encode(workspace.Data, _replica, samples, cancellation);
        var file = RunFolder.ShardFile(shard.Stage, shard.Shard);
        var hash = HostTensors.Write(
            workspace.Folder.Absolute(file),
            [("image", [samples.Length, features.Width], features.Image), ("text", [samples.Length, features.Width], features.Text)]);
        return new ShardReady(shard.Stage, shard.Shard, worker, new WrittenFile(file, hash), samples.Length);
    }

    public void Dispose() => _replica.Dispose();
}
