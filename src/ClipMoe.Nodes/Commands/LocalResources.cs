using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model;
using ClipMoe.Model.Native;

namespace ClipMoe.Nodes.Commands;

/// <summary>What of this machine a run uses.</summary>
internal sealed record LocalResources(WorkerDevice Device, int Workers)
{
    /// <summary>Models so narrow that a step is many small operations, which several workers share better than several threads.</summary>
    private static readonly string[] SmallModels = ["tiny", "scenes"];

    /// <param name="device">cpu, cuda:N or auto.</param>
    /// <param name="workers">Null: one per core for a small model on a CPU, else one.</param>
    /// <param name="threads">Null: OMP_NUM_THREADS, else the cores shared out.</param>
    /// <exception cref="UserErrorException">The device is not there.</exception>
    public static LocalResources Choose(Experiment experiment, string device, int? workers, int? threads)
    {
        LibTorch.EnsureLoaded();
        var name = device == "auto" ? LibTorch.CudaAvailable ? "cuda:0" : "cpu" : device;
        if (name.StartsWith("cuda", StringComparison.Ordinal) && !LibTorch.CudaAvailable)
        {
            throw new UserErrorException(
                $"--device {device} is not there: the libtorch in {LibTorch.Directory} finds no GPU; set {LibTorch.DirectoryVariable} to one built for CUDA, or use --device cpu.");
        }
        var cores = Environment.ProcessorCount;
        var small = experiment.Model.Checkpoint is null && SmallModels.Contains(experiment.Model.Name);
        var count = workers ?? (name == "cpu" && small ? Math.Min(cores, experiment.Batch.Leaves) : 1);
        if (count > experiment.Batch.Leaves)
        {
            throw new UserErrorException(
                $"--workers {count} is more than the {experiment.Batch.Leaves} leaves of a batch: use fewer workers, or set batch.leaves (which changes the weights).");
        }
        var given = threads ?? (int.TryParse(Environment.GetEnvironmentVariable("OMP_NUM_THREADS"), out var omp) && omp > 0 ? omp : null);
        return new LocalResources(new WorkerDevice(name, given ?? Math.Max(1, cores / count)), count);
    }

    public string Describe() => $"{Device.Name}, {Device.Threads} {(Device.Threads == 1 ? "thread" : "threads")} per worker";
}
