using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Exchanges;
using ClipMoe.Actors.Transport.Nccl;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

/// <summary>Calls of NCCL and of the driver, answered by the stand-in, which refuses what the real ones would.</summary>
public sealed class NcclTransportTests : IDisposable
{
    private const int World = 3, Leaves = 8, Length = 70 * GradientChunks.Size + 11;

    private static NcclTransports Transports(int gpu) => new([StandIn.Path], StandIn.Path, gpu);

    private static INcclTransport Connect(byte[] group, int rank, int world, Action? throwIfOver = null) =>
        Transports(rank).Connect(group, rank, world, Mesh.Patience, throwIfOver ?? (() => { }));

    public void Dispose()
    {
        if (StandIn.Lack is null) StandIn.Fail("");
    }

    private static void AssertNothingLeft() => Assert.Equal(0, StandIn.Alive);

    [StandInFact]
    public void An_offer_tells_version_and_GPU()
    {
        Assert.Equal(new NcclOffer(null, 22703, string.Concat(Enumerable.Repeat("a3", 16))), Transports(3).Offer);
        Assert.Contains("cuDeviceGet fail with 101", Transports(8).Offer.Lack);
    }

    [StandInFact]
    public void Gradients_are_reduced_to_the_bits_of_the_tree()
    {
        foreach (var format in Enum.GetValues<GradientFormat>())
        {
            var tree = new ReductionTree(Leaves, format);
            var members = Enumerable.Range(0, World).Select(r => LeafPartition.Leaves(r, Leaves, World)).ToList();
            var nodes = members.Select(m => tree.MaximalSubtrees(m.From, m.To)).ToList();
            var root = StepData.Digest(StepData.Subtrees(tree, 0, Leaves, Length).Single().Gradient.Span);
            var group = Transports(0).NewGroup();
            var failures = Mesh.Threads(World, rank =>
            {
                using var transport = Connect(group, rank, World);
                var reduction = new NcclReduction(transport, rank, World);
                var mine = StepData.Subtrees(tree, members[rank].From, members[rank].To, Length);
                for (var step = 0; step < 2; step++)
                {
                    var sum = new float[Length];
                    reduction.Reduce(tree, nodes, [.. mine.Select(m => m.Gradient)], sum);
                    Assert.Equal(root, StepData.Digest(sum));
                }
            });
            Assert.All(failures, Assert.Null);
        }

        AssertNothingLeft();
    }

    [StandInFact]
    public void Workers_on_GPUs_of_their_own_find_each_other_and_leave_nothing_behind()
    {
        var tree = new ReductionTree(World);
        var logs = new List<string>[World];
        using (var mesh = new Mesh(World, unix: false))
        {
            var failures = Mesh.Threads(World, rank =>
            {
                var exchanges = new GenerationExchanges(mesh.Exchanges[rank], Transports(rank), (logs[rank] = []).Add);
                for (var generation = 0; generation < 2; generation++)
                {
                    var sum = new float[Length];
                    var exchange = exchanges.Join(mesh.Generation(rank, generation));
                    exchange.Reduce(tree, StepData.Subtrees(tree, rank, rank + 1, Length), sum);
                    Assert.Equal(StepData.Digest(StepData.Subtrees(tree, 0, World, Length).Single().Gradient.Span), StepData.Digest(sum));
                }

                exchanges.Abort(Mesh.Stage, 1);
            });
            Assert.All(failures, Assert.Null);
        }

        Assert.All(logs, l => Assert.Equal(["gradients are exchanged over NCCL"], l));
        AssertNothingLeft();
    }

    [StandInFact]
    public void One_rank_is_a_communicator_and_may_send_to_itself()
    {
        using (var transport = Connect(Transports(0).NewGroup(), 0, 1))
        {
            var received = new byte[100_001];
            var sent = StepData.Gradient(0, received.Length).Select(f => (byte)f).ToArray();
            transport.Carry([new Outgoing(sent, [0])], [new Incoming(0, received)]);
            Assert.Equal(sent, received);
        }

        AssertNothingLeft();
    }

    [StandInFact]
    public void A_wait_for_members_that_do_not_come_ends_when_the_generation_is_over()
    {
        var (group, over) = (Transports(0).NewGroup(), new OperationCanceledException());
        Assert.Same(over, Record.Exception(() => Connect(group, 0, 2, () => throw over)));
        AssertNothingLeft();
    }

    [StandInFact]
    public void A_wait_for_bytes_that_do_not_come_ends_and_the_transport_is_freed()
    {
        var over = new OperationCanceledException();
        var transport = Connect(Transports(0).NewGroup(), 0, 1, () => throw over);
        var two = new Incoming(0, new byte[2]);
        Assert.Same(over, Record.Exception(() => transport.Carry([new Outgoing(new byte[2], [0])], [two, two])));
        AssertNothingLeft();
        Assert.Contains("closed", Assert.Throws<NcclTransportException>(() => transport.Carry([], [two])).Message);
    }

    [StandInFact]
    public void A_transport_that_is_disposed_of_while_it_is_used_is_freed_by_its_user()
    {
        INcclTransport? transport = null;
        transport = Connect(Transports(0).NewGroup(), 0, 1, () => transport!.Dispose());
        var received = new byte[2];
        transport.Carry([new Outgoing(new byte[] { 1, 2 }, [0])], [new Incoming(0, received)]);
        Assert.Equal([1, 2], received);
        AssertNothingLeft();
    }

    [StandInFact]
    public void What_fails_is_told_in_the_words_of_NCCL_and_leaves_nothing_behind()
    {
        AssertFails("ncclGetUniqueId", "of NCCL fail with 2, unhandled system error (ncclGetUniqueId: Connection refused)",
            beforehand: true);
        AssertFails("ncclCommInitRankConfig", "ncclCommInitRankConfig of NCCL fail with 2", beforehand: true);
        AssertFails("cuMemAlloc", "cuMemAlloc fail with 2, out of memory");
        AssertFails("ncclSend", "ncclSend of NCCL fail with 2");
        AssertFails("ncclRecv", "ncclRecv of NCCL fail with 2");
        AssertFails("asynchronously", "the communicator of NCCL fail with 6");

        static void AssertFails(string function, string what, bool beforehand = false)
        {
            if (beforehand) StandIn.Fail(function);
            var failure = Assert.Throws<NcclTransportException>(() =>
            {
                var transport = Connect(Transports(0).NewGroup(), 0, 1);
                StandIn.Fail(function);
                transport.Carry([new Outgoing(new byte[2], [0])], [new Incoming(0, new byte[2])]);
            });
            Assert.Contains(what, failure.Message);
            AssertNothingLeft();
            StandIn.Fail("");
        }
    }
}
