using System.Globalization;
using TorchSharp;

namespace ClipMoe.Model.Native;

/// <summary>Where tensors live and with how many threads a processor computes.</summary>
public static class Devices
{
    public const string Forms = "cpu, cuda:0 or auto";

    /// <summary>The device of this name; <c>auto</c> is the first GPU where libtorch can use one, else the processor.</summary>
    /// <exception cref="UserErrorException">There is no such device.</exception>
    public static torch.Device Parse(string name)
    {
        LibTorch.EnsureLoaded();
        if (name == "cpu" || (name == "auto" && !LibTorch.CudaAvailable)) return torch.CPU;
        var index = name is "auto" or "cuda" ? "0" : name.StartsWith("cuda:", StringComparison.Ordinal) ? name["cuda:".Length..] : "";
        if (!int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            throw new UserErrorException($"there is no device \"{name}\": use {Forms}.");
        if (!LibTorch.CudaAvailable)
        {
            throw new UserErrorException(
                $"libtorch in {LibTorch.Directory} cannot compute on a GPU here: set {LibTorch.DirectoryVariable} to one that can, or " +
                $"use cpu.");
        }

        return number < torch.cuda.device_count() ? torch.device(DeviceType.CUDA, number)
            : throw new UserErrorException($"there is no device \"{name}\": this machine has {torch.cuda.device_count()} GPUs.");
    }

    /// <summary>
    /// Makes the calling thread compute with so many threads: libtorch keeps the number per thread, so each thread that computes calls
    /// this first. Results have the same bits only for the same number.
    /// </summary>
    public static void UseThreads(int threads)
    {
        LibTorch.EnsureLoaded();
        torch.set_num_threads(threads);
    }
}
