using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Nccl;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

/// <summary>Which member sends what to which, and the sum of it, over transports in memory.</summary>
public sealed class NcclReductionTests
{
    private const int Leaves = 8;

    public static TheoryData<int> Worlds => new([1, 2, 3, 5, 7, 8]);

    /// <summary>No chunk, a part of one, several; and at each world one that takes several rounds.</summary>
    private static readonly int[] Lengths = [0, 1, GradientChunks.Size, 3 * GradientChunks.Size + 7, 70 * GradientChunks.Size + 12345];

    [Theory]
    [MemberData(nameof(Worlds))]
    public void Every_chunk_is_on_its_way_once_and_rounds_are_bounded(int world)
    {
        foreach (var length in Lengths)
        {
            var rounds = new TransferRounds(new GradientChunks(length, world));
            var floats = new List<int>();
            for (var owner = 0; owner < world; owner++)
            {
                for (var round = 0; round < rounds.Count; round++)
                {
                    var piece = rounds[owner, round];
                    var (first, end) = rounds.Chunks.OwnedBy(owner);
                    Assert.InRange(piece.FirstChunk, first, end);
                    if (piece.Length > 0) Assert.Equal(piece.FirstChunk * GradientChunks.Size, piece.Start);
                    floats.AddRange([piece.Start, piece.Length]);
                }
            }

            var next = 0;
            foreach (var piece in floats.Chunk(2).Where(p => p[1] > 0))
            {
                Assert.Equal(next, piece[0]);
                next += piece[1];
            }

            Assert.Equal(length, next);
            for (var round = 0; round < rounds.Count; round++)
                Assert.InRange(Enumerable.Range(0, world).Sum(o => rounds[o, round].Length), 1, 64 * GradientChunks.Size);
        }
    }

    [Theory]
    [MemberData(nameof(Worlds))]
    public void Sums_and_hashes_are_bitwise_those_of_local_exchanges(int world)
    {
        var tree = new ReductionTree(Leaves);
        var local = new LocalExchanges();
        var expected = new List<string>[world];
        Assert.All(Mesh.Threads(world, rank => expected[rank] = Reduce(rank, local.Join(Generation(rank, world)).Reduce)), Assert.Null);

        var hub = new TransportHub();
        var carried = Run(hub, world, (rank, reduction) => Reduce(rank, (t, mine, sum) => Carry(reduction, t, world, mine, sum)));
        Assert.All(carried, c => Assert.Equal(expected[0], c));
        Assert.Equal(0, hub.Left);

        List<string> Reduce(int rank, Func<ReductionTree, IReadOnlyList<(Subtree, ReadOnlyMemory<float>)>, Memory<float>, UInt128> reduce)
        {
            var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
            return [.. Lengths.Select(length =>
            {
                var sum = new float[length];
                var hash = reduce(tree, StepData.Subtrees(tree, from, to, length), sum);
                return $"{StepData.Digest(sum)} {hash:x32}";
            })];
        }
    }

    [Theory]
    [MemberData(nameof(Worlds))]
    public void Bfloat16_sums_and_hashes_are_bitwise_those_of_the_streams(int world)
    {
        var (tree, length) = (new ReductionTree(Leaves, GradientFormat.Bf16), 5 * GradientChunks.Size + 3);
        using var mesh = new Mesh(world, unix: true);
        var streamed = mesh.Run((rank, exchange) => Reduce(rank, exchange.Reduce));
        var carried = Run(new TransportHub(), world,
            (rank, reduction) => Reduce(rank, (t, mine, sum) => Carry(reduction, t, world, mine, sum)));
        Assert.Single(streamed.Concat(carried).Distinct());

        string Reduce(int rank, Func<ReductionTree, IReadOnlyList<(Subtree, ReadOnlyMemory<float>)>, Memory<float>, UInt128> reduce)
        {
            var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
            var sum = new float[length];
            var hash = reduce(tree, StepData.Subtrees(tree, from, to, length), sum);
            return $"{StepData.Digest(sum)} {hash:x32}";
        }
    }

    [Fact]
    public void Members_without_leaves_own_slices_all_the_same()
    {
        var (tree, length) = (new ReductionTree(2), 9 * GradientChunks.Size);
        var sums = Run(new TransportHub(), 5, (rank, reduction) =>
        {
            var (from, to) = LeafPartition.Leaves(rank, 2, 5);
            var sum = new float[length];
            Carry(reduction, tree, 5, StepData.Subtrees(tree, from, to, length), sum);
            return StepData.Digest(sum);
        });
        Assert.All(sums, s => Assert.Equal(StepData.Digest(StepData.Subtrees(tree, 0, 2, length).Single().Gradient.Span), s));
    }

    [Fact]
    public void A_bit_that_flips_on_its_way_is_noticed_by_the_receiver()
    {
        var (hub, tree, length) = (new TransportHub(), new ReductionTree(2), 2 * GradientChunks.Size);
        using var over = new CancellationTokenSource();
        var failures = Mesh.Threads(2, rank =>
        {
            var transports = new MemoryTransports(hub, NcclOffer.Processor);
            if (rank == 1) transports.OnSend = bytes => [.. bytes[..^1], (byte)(bytes[^1] ^ 1)];
            var reduction = new NcclReduction(transports.Connect([], rank, over.Token.ThrowIfCancellationRequested), rank, 2);
            try
            {
                Carry(reduction, tree, 2, StepData.Subtrees(tree, rank, rank + 1, length), new float[length]);
            }
            finally
            {
                over.Cancel();
            }
        });
        var noticed = Assert.IsType<NcclTransportException>(failures[0]);
        Assert.Equal((1, "sent something that arrived damaged"), (noticed.Peer, noticed.Message));
        Assert.IsType<OperationCanceledException>(failures[1]);
    }

    private static T[] Run<T>(TransportHub hub, int world, Func<int, NcclReduction, T> member)
    {
        var results = new T[world];
        var failures = Mesh.Threads(world, rank =>
        {
            var transport = new MemoryTransports(hub, NcclOffer.Processor).Connect([], rank, () => { });
            results[rank] = member(rank, new NcclReduction(transport, rank, world));
        });
        Assert.All(failures, Assert.Null);
        return results;
    }

    private static UInt128 Carry(
        NcclReduction reduction, ReductionTree tree, int world, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine,
        Memory<float> sum)
    {
        var leaves = Enumerable.Range(0, world).Select(r => LeafPartition.Leaves(r, tree.Leaves, world));
        var nodes = leaves.Select(l => tree.MaximalSubtrees(l.From, l.To));
        return reduction.Reduce(tree, [.. nodes], [.. mine.Select(m => m.Gradient)], sum);
    }

    private static ExchangeGeneration Generation(int rank, int world) =>
        new(Mesh.Stage, 0, rank, [.. Enumerable.Repeat(BulkEndpoint.SameProcess, world)]);
}
