using ClipMoe.Actors.Transport.Nccl;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

/// <summary>Finding and loading NCCL.</summary>
public sealed class NcclTransportsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-nccl-").FullName;

    private string Torch => Path.Combine(_folder, "torch", "lib");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Lack(IReadOnlyList<string> candidates, string driver = "libcuda.so.1") =>
        new NcclTransports(candidates, driver, 0).Offer.Lack ?? "none";

    [Fact]
    public void A_worker_on_a_processor_looks_for_nothing() =>
    Assert.Same(NcclOffer.Processor, new NcclTransports("cpu", encrypted: true).Offer);

    [Fact]
    public void It_is_looked_for_where_the_user_says_or_else_at_libtorch_and_where_the_system_looks()
    {
        Assert.Equal([Path.Combine(_folder, "libnccl.so.2")], NcclTransports.Candidates(_folder, Torch));
        Assert.Equal(["/somewhere/nccl.so"], NcclTransports.Candidates("/somewhere/nccl.so", Torch));
        Assert.Equal(
            [Path.Combine(Torch, "libnccl.so.2"), Path.Combine(_folder, "nvidia", "nccl", "lib", "libnccl.so.2"), "libnccl.so.2"],
            NcclTransports.Candidates("", Torch));
        Assert.Equal(["libnccl.so.2"], NcclTransports.Candidates(null, null));
    }

    [Fact]
    public void None_is_a_reason()
    {
        var path = Path.Combine(_folder, "libnccl.so.2");
        Assert.Equal($"has no {path}: set CLIPMOE_NCCL to the folder of libnccl.so.2", Lack([path]));
        Assert.Contains("can't load libnccl-missing.so", Lack(["libnccl-missing.so"]));
    }

    [Fact]
    public void A_broken_file_is_a_reason_and_not_passed_over()
    {
        var path = Path.Combine(_folder, "libnccl.so.2");
        File.WriteAllText(path, "not a library");
        var lack = Lack([path, "libc.so.6"]);
        Assert.StartsWith($"can't load {path} or libcuda.so.1 (", lack);
        Assert.EndsWith("): set CLIPMOE_NCCL to the folder of an NCCL from 2.14 on", lack);
    }

    [Fact]
    public void Another_library_is_a_reason() => Assert.Contains("ncclGetVersion", Lack(["libc.so.6"]));

    [StandInFact]
    public void NCCL_without_a_driver_is_a_reason() =>
        Assert.Contains("libcuda-missing.so", Lack([StandIn.Path], Path.Combine(_folder, "libcuda-missing.so")));
}
