using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>What happens to all members when one thing goes wrong.</summary>
public sealed class ExchangeFailureTests
{
    private const int World = 3, Culprit = 1;

    public static TheoryData<FrameKind> Kinds =>
        new([FrameKind.Features, FrameKind.LossBlocks, FrameKind.Subtrees, FrameKind.Gradients, FrameKind.Sums]);

    private static Mesh MeshWithFault(FrameKind kind, FaultAction action, int toRank = 0) =>
        new(World, unix: false, rank => new TransportSettings
        {
            Fault = rank != Culprit
                ? null
                : site => site.Kind == kind && site.To == toRank && site.Ordinal == 0 ? action : FaultAction.None,
        });

    private static void Step(int rank, IStepExchange exchange)
    {
        var (tree, length) = (new ReductionTree(World), 20 * GradientChunks.Size);
        exchange.Gather([StepData.Features(rank + 1, moe: false)]);
        exchange.Gather([StepData.Block(rank + 1)]);
        exchange.Reduce(tree, StepData.Subtrees(tree, rank, rank + 1, length), new float[length]);
        // A fault in the last frame may show only here.
        exchange.Gather([StepData.Block(rank + 1)]);
    }

    private static ExchangeBrokenException AssertBroken(Exception? failure)
    {
        var broken = Assert.IsType<ExchangeBrokenException>(failure);
        Assert.Equal((Mesh.Stage, 0), (broken.Stage, broken.Generation));
        Assert.Contains($"generation 0 of {Mesh.Stage} broke: rank {broken.Peer} {broken.What}", broken.Message);
        return broken;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_flipped_bit_is_noticed_by_the_receiver_and_ends_the_step_for_all(FrameKind kind)
    {
        using var mesh = MeshWithFault(kind, FaultAction.FlipBit);
        var failures = mesh.Failures(Step);
        var noticed = AssertBroken(failures[0]);
        Assert.Equal(Culprit, noticed.Peer);
        Assert.Contains($"{kind} that was damaged", noticed.What);
        Assert.All(failures, f => AssertBroken(f));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_stream_that_closes_in_any_phase_ends_the_step_for_all(FrameKind kind)
    {
        using var mesh = MeshWithFault(kind, FaultAction.CloseStream);
        Assert.All(mesh.Failures(Step), f => AssertBroken(f));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_frame_that_comes_twice_is_an_error(FrameKind kind)
    {
        using var mesh = MeshWithFault(kind, FaultAction.Repeat);
        var failures = mesh.Failures(Step);
        Assert.Equal(Culprit, AssertBroken(failures[0]).Peer);
        Assert.All(failures, f => AssertBroken(f));
    }

    [Fact]
    public void Members_in_different_phases_do_not_mix_them_up()
    {
        using var mesh = new Mesh(2, unix: true);
        var failures = mesh.Failures((rank, exchange) =>
        {
            if (rank == 0) exchange.Gather([StepData.Features(0, moe: false)]);
            else exchange.Gather([StepData.Block(0)]);
        });
        Assert.All(failures, f => AssertBroken(f));
        // The other one may see only the stream that this one closes.
        Assert.Contains(
            failures, f => AssertBroken(f).What is var what && (what.Contains("sent LossBlocks") || what.Contains("sent Features")));
    }

    [Fact]
    public void Silence_beyond_the_patience_names_the_silent_one()
    {
        using var mesh = new Mesh(World, unix: true);
        var failures = mesh.Failures(
            (rank, exchange) =>
            {
                if (rank != Culprit) exchange.Gather([StepData.Block(rank)]);
            },
            generation => generation with { Patience = TimeSpan.FromMilliseconds(generation.Rank == 0 ? 300 : 60_000) });
        var silent = AssertBroken(failures[0]);
        Assert.Equal(Culprit, silent.Peer);
        Assert.Contains("said nothing for 00:00:00.3", silent.What);
        AssertBroken(failures[2]);
    }

    [Fact]
    public void An_abort_cancels_the_call_here_and_breaks_those_of_the_others()
    {
        using var mesh = new Mesh(2, unix: true);
        using var joined = new CountdownEvent(2);
        var failures = Mesh.Threads(3, i =>
        {
            if (i == 2)
            {
                joined.Wait();
                mesh.Exchanges[0].Abort(Mesh.Stage, int.MaxValue);
                return;
            }

            var exchange = mesh.Exchanges[i].Join(mesh.Generation(i));
            joined.Signal();
            // Ends only by the abort, wherever that finds the two.
            while (true) exchange.Gather([StepData.Block(i)]);
        });
        Assert.IsType<OperationCanceledException>(failures[0]);
        Assert.Equal(0, AssertBroken(failures[1]).Peer);
        Assert.Null(failures[2]);
    }
}
