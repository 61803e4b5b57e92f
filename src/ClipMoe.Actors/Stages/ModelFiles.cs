using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Files;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using TorchSharp;

namespace ClipMoe.Actors.Stages;

/// <summary>Replicas from and to the model files of a run, on this process's device and in the experiment's precision.</summary>
public sealed class ModelFiles(Experiment experiment, RunFolder folder, RunFiles files, WorkerDevice device)
{
    /// <summary>Seeded initial weights.</summary>
    public Replica Create(ClipConfig config, TrainableParameters locking)
    {
        var replica = New(config, locking);
        replica.Initialize(experiment.Seed);
        return replica;
    }

    public Replica Load(WrittenFile file, TrainableParameters locking)
    {
        using var tensors = TensorFile.Open(files.Local(file));
        return Load(tensors, locking);
    }

    public Replica Load(ITensorFile tensors, TrainableParameters locking)
    {
        var config = CheckpointConfig.Infer(tensors);
        var replica = New(config, locking);
        replica.Load(Source(tensors, config));
        return replica;
    }

    /// <summary>Parameters of a file, rounded to fp16 where the experiment follows the reference in that.</summary>
    public IParameterSource Source(ITensorFile tensors, ClipConfig config) =>
        new CheckpointSource(tensors, config, experiment.Model.RoundToHalf);

    /// <param name="file">Relative to the output folder.</param>
    /// <returns>The file's SHA-256.</returns>
    public string Save(string file, Replica replica, Provenance provenance)
    {
        var path = folder.Absolute(file);
        using (var writer = TensorFile.Create(path, ReplicaFiles.Weights(replica.Layout), CheckpointMetadata.Create(replica.Layout.Config,
            provenance)))
        {
            ReplicaFiles.WriteWeights(writer, replica);
            writer.Commit();
        }
        return FileHash.Sha256OfWritten(path);
    }

    /// <summary>All weights zero.</summary>
    public Replica New(ClipConfig config, TrainableParameters locking) =>
        new(ParameterLayout.Create(config, locking), Device, PrecisionOf(config));

    /// <summary>What a model of this architecture computes in.</summary>
    public Precision PrecisionOf(ClipConfig config) => experiment.Model.Precision switch
    {
        ComputePrecision.Fp32 => Precision.Fp32,
        ComputePrecision.Bf16 => Precision.Bf16,
        _ => Precisions.For(Device, config),
    };

    private torch.Device Device => torch.device(device.Name);
}
