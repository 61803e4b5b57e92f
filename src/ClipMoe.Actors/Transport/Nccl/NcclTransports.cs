using ClipMoe.Model.Native;
using TorchSharp;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>NCCL on the GPU of this process, if there is one. Looked for once, when it is first asked for.</summary>
/// <remarks>
/// Order: what <see cref="Variable"/> names, a folder or the file itself; beside libtorch, or in the package beside a PyTorch; where the
/// system does.
/// </remarks>
internal sealed class NcclTransports : INcclTransports
{
    public const string Variable = "CLIPMOE_NCCL";

    private readonly Lazy<(NcclOffer Offer, Gpu? Gpu)> _found;

    /// <summary>A GPU and what reaches others from it.</summary>
    private sealed record Gpu(NcclLibrary Nccl, CudaDriver Cuda, nint Context);

    /// <param name="device">A device's name.</param>
    /// <param name="encrypted">Whether bytes may leave the host only encrypted: NCCL's are not.</param>
    public NcclTransports(string device, bool encrypted) => _found = new(() =>
    {
        var parsed = Devices.Parse(device);
        if (parsed.type != DeviceType.CUDA) return (NcclOffer.Processor, null);
        if (encrypted) return (NcclOffer.None("speaks TLS, which NCCL does not"), null);
        var candidates = Candidates(Environment.GetEnvironmentVariable(Variable), LibTorch.Directory);
        return Find(candidates, CudaDriver.File, Math.Max(0, parsed.index));
    });

    /// <param name="candidates">Where NCCL may be, best first.</param>
    /// <param name="driver">The library of NVIDIA's driver.</param>
    public NcclTransports(IReadOnlyList<string> candidates, string driver, int ordinal) => _found =
        new(() => Find(candidates, driver, ordinal));

    public NcclOffer Offer => _found.Value.Offer;

    public byte[] NewGroup() => Found.Nccl.NewUniqueId();

    public INcclTransport Connect(byte[] group, int rank, int world, TimeSpan patience, Action throwIfOver) =>
        new NcclTransport(Found.Nccl, Found.Cuda, Found.Context, group, rank, world, patience, throwIfOver);

    private Gpu Found => _found.Value.Gpu ?? throw new NcclTransportException(Offer.Lack ?? "has no NCCL");

    /// <summary>Where NCCL may be, best first; a name without a folder is looked for where the system does.</summary>
    /// <param name="chosen">By the user; then nowhere else.</param>
    /// <param name="torch">The folder of libtorch's libraries.</param>
    public static IReadOnlyList<string> Candidates(string? chosen, string? torch)
    {
        if (!string.IsNullOrEmpty(chosen)) return [Directory.Exists(chosen) ? Path.Combine(chosen, NcclLibrary.File)
            : Path.GetFullPath(chosen)];
        if (torch is null) return [NcclLibrary.File];
        var package = Path.GetFullPath(Path.Combine(torch, "..", "..", "nvidia", "nccl", "lib"));
        return [Path.Combine(torch, NcclLibrary.File), Path.Combine(package, NcclLibrary.File), NcclLibrary.File];
    }

    private static (NcclOffer Offer, Gpu? Gpu) Find(IReadOnlyList<string> candidates, string driver, int ordinal)
    {
        var path = candidates.FirstOrDefault(c => !Path.IsPathRooted(c) || File.Exists(c));
        if (path is null) return None($"has no {string.Join(" and no ", candidates)}: set {Variable} to the folder of {NcclLibrary.File}");
        try
        {
            var (nccl, cuda) = (new NcclLibrary(path), new CudaDriver(driver));
            var (context, gpu) = cuda.Open(ordinal);
            return (new NcclOffer(null, nccl.Version, gpu), new Gpu(nccl, cuda, context));
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return None($"can't load {path} or {driver} ({e.Message.Trim()}): set {Variable} to the folder of an NCCL from 2.14 on");
        }
        catch (NcclTransportException e)
        {
            return None(e.Message);
        }

        static (NcclOffer Offer, Gpu? Gpu) None(string lack) => (NcclOffer.None(lack), null);
    }
}
