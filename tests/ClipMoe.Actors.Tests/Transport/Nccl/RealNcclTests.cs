using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Nccl;
using ClipMoe.Model.Native;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

/// <summary>NVIDIA's NCCL, where it is installed; what needs a GPU, where there is one.</summary>
[Trait("Category", "Gpu")]
public sealed class RealNcclTests
{
    private static readonly Lazy<string?> Library = new(() =>
    {
        LibTorch.EnsureLoaded();
        return NcclTransports.Candidates(Environment.GetEnvironmentVariable(NcclTransports.Variable), LibTorch.Directory)
            .FirstOrDefault(File.Exists);
    });

    private sealed class NcclFactAttribute : FactAttribute
    {
        public NcclFactAttribute(bool withGpu = true)
        {
            if (Library.Value is null) Skip = $"there is no libnccl.so.2: set {NcclTransports.Variable} to its folder";
            else if (!withGpu && LibTorch.CudaAvailable) Skip = "there is a GPU";
        }
    }

    private sealed class GpuFactAttribute : FactAttribute
    {
        public GpuFactAttribute()
        {
            LibTorch.EnsureLoaded();
            Skip = !LibTorch.CudaAvailable ? "libtorch can't compute on a GPU here"
                : new NcclTransports("cuda:0", encrypted: false).Offer.Lack;
        }
    }

    [NcclFact]
    public void It_tells_its_version_and_makes_unique_ids()
    {
        var nccl = new NcclLibrary(Library.Value!);
        Assert.InRange(nccl.Version, 21400, 99999);
        Assert.NotEqual(nccl.NewUniqueId(), nccl.NewUniqueId());
    }

    [NcclFact(withGpu: false)]
    public void Without_a_GPU_a_communicator_is_refused_with_a_reason()
    {
        var nccl = new NcclLibrary(Library.Value!);
        var failure = Assert.Throws<NcclTransportException>(() =>
        {
            var communicator = nccl.BeginCommunicator(nccl.NewUniqueId(), 0, 1);
            SpinWait.SpinUntil(() => nccl.IsReady(communicator));
        });
        Assert.StartsWith("had ", failure.Message);
    }

    [GpuFact]
    public void One_rank_is_a_communicator_that_carries_a_reduction()
    {
        var transports = new NcclTransports("cuda:0", encrypted: false);
        using var transport = transports.Connect(transports.NewGroup(), 0, 1, Mesh.Patience, () => { });
        var received = new byte[10_000_001];
        var sent = StepData.Gradient(0, received.Length).Select(f => (byte)f).ToArray();
        transport.Carry([new Outgoing(sent, [0])], [new Incoming(0, received)]);
        Assert.Equal(sent, received);

        var (tree, length) = (new ReductionTree(2), 3 * GradientChunks.Size + 7);
        var sum = new float[length];
        var mine = StepData.Subtrees(tree, 0, 2, length);
        new NcclReduction(transport, 0, 1).Reduce(tree, [[.. mine.Select(m => m.Node)]], [.. mine.Select(m => m.Gradient)], sum);
        Assert.Equal(StepData.Digest(mine.Single().Gradient.Span), StepData.Digest(sum));
    }
}
