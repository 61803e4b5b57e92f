using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model;
using ClipMoe.Model.Native;
using ClipMoe.Nodes.CommandLine;
using TorchSharp;

namespace ClipMoe.Nodes.Runs;

/// <summary>What of this machine a run uses.</summary>
internal sealed record LocalResources(WorkerDevice Device, int Workers)
{
    /// <summary>Models so narrow that a step is many small operations, which several workers share better than several threads.</summary>
    private static readonly string[] SmallModels = ["tiny", "scenes"];

    /// <summary>Compute threads of a worker as OpenMP's variable sets them; null: it does not.</summary>
    public static int? ThreadsOfEnvironment =>
        int.TryParse(Environment.GetEnvironmentVariable("OMP_NUM_THREADS"), out var threads) && threads > 0 ? threads : null;

    /// <param name="begun">What the run was started with; null for a new one.</param>
    /// <exception cref="UserErrorException">The device is not there, or has no use for so many workers.</exception>
    public static LocalResources Choose(Experiment experiment, ResourceWishes wishes, ComputeConditions? begun)
    {
        var device = Devices.Parse(wishes.Device ?? begun?.Device ?? "auto");
        var name = device.type == DeviceType.CUDA ? $"cuda:{Math.Max(0, device.index)}" : "cpu";
        var cores = Environment.ProcessorCount;
        var small = experiment.Model.Checkpoint is null && SmallModels.Contains(experiment.Model.Name);
        var count = wishes.Workers ?? (name == "cpu" && small ? Math.Min(cores, experiment.Batch.Leaves) : 1);
        if (count > experiment.Batch.Leaves)
        {
            throw new UserErrorException(
                $"--workers {count} is more than the {experiment.Batch.Leaves} leaves of a batch: use fewer workers, or set " +
                $"batch.leaves (which changes the weights).");
        }
        var threads = wishes.Threads ?? begun?.Threads ?? ThreadsOfEnvironment ?? Math.Max(1, cores / count);
        return new LocalResources(new WorkerDevice(name, threads), count);
    }
}
