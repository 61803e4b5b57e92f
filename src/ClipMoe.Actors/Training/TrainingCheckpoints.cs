using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Actors.Training;

/// <summary>The whole state of a replica as a checkpoint: weights, AdamW's moments, and the number of updates.</summary>
internal static class TrainingCheckpoints
{
    internal const string Position = "position";

    private const string Model = "model", Optimizer = "optimizer";

    internal sealed record TrainingPosition(string Stage, int Step, long Updates);

    /// <param name="halfway">Done between the first moments and the second.</param>
    public static Checkpoint Write(CheckpointStore store, Replica replica, string stage, int step, Provenance provenance, Action halfway)
    {
        var (layout, metadata) = (replica.Layout, CheckpointMetadata.Create(replica.Layout.Config, provenance));
        return store.Write(step, checkpoint =>
        {
            checkpoint.Tensors(Model, ReplicaFiles.Weights(layout), writer => ReplicaFiles.WriteWeights(writer, replica), metadata);
            checkpoint.Tensors(Optimizer, ReplicaFiles.Moments(layout), writer => ReplicaFiles.WriteMoments(writer, replica, halfway));
            checkpoint.Json(Position, new TrainingPosition(stage, step, replica.Updates));
        });
    }

    public static void Read(Checkpoint checkpoint, Replica replica)
    {
        using var model = checkpoint.OpenTensors(Model);
        using var optimizer = checkpoint.OpenTensors(Optimizer);
        replica.Load(new CheckpointSource(model, replica.Layout.Config));
        ReplicaFiles.ReadMoments(optimizer, replica, checkpoint.ReadJson<TrainingPosition>(Position).Updates);
    }
}
