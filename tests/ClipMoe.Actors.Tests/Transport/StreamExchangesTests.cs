using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Transport;

public sealed class StreamExchangesTests
{
    private const int Leaves = 8;

    public static IEnumerable<object[]> Worlds => Enumerable.Range(1, 8).SelectMany(w => new object[][] { [w, false], [w, true] });

    [Theory]
    [MemberData(nameof(Worlds))]
    public void Features_and_blocks_of_the_loss_arrive_everywhere_bit_for_bit_in_leaf_order(int world, bool unix)
    {
        using var mesh = new Mesh(world, unix);
        var gathered = mesh.Run((rank, exchange) =>
        {
            var mine = StepData.Leaves(rank, Leaves, world);
            var dense = exchange.Gather([.. mine.Select(l => StepData.Features(l, moe: false))]);
            var moe = exchange.Gather([.. mine.Select(l => StepData.Features(l, moe: true))]);
            var blocks = exchange.Gather([.. mine.Select(StepData.Block)]);
            return dense.Concat(moe).Select(StepData.Text).Concat(blocks.Select(StepData.Text)).ToList();
        });
        var all = Enumerable.Range(0, Leaves).ToList();
        var expected = all.Select(l => StepData.Text(StepData.Features(l, moe: false)))
            .Concat(all.Select(l => StepData.Text(StepData.Features(l, moe: true))))
            .Concat(all.Select(l => StepData.Text(StepData.Block(l)))).ToList();
        Assert.All(gathered, g => Assert.Equal(expected, g));
    }

    [Fact]
    public void Messages_of_many_frames_arrive_whole()
    {
        using var mesh = new Mesh(3, unix: true);
        var gathered = mesh.Run((rank, exchange) =>
            exchange.Gather((IReadOnlyList<LossBlock>)[new LossBlock(rank, StepData.Gradient(rank, 300_001))]));
        Assert.All(gathered, g => Assert.Equal(
            Enumerable.Range(0, 3).Select(r => StepData.Gradient(r, 300_001)), g.Select(n => n.Values)));
    }

    /// <summary>A slice of no chunk, of one, of several windows full; with and without a rest.</summary>
    private static readonly int[] Lengths = [0, 1, GradientChunks.Size, 3 * GradientChunks.Size + 7, 21 * GradientChunks.Size + 12345];

    [Theory]
    [MemberData(nameof(Worlds))]
    public void Sums_and_their_hash_are_bitwise_those_of_the_tree_and_of_local_exchanges(int world, bool unix)
    {
        var tree = new ReductionTree(Leaves);
        var local = new LocalExchanges();
        using var mesh = new Mesh(world, unix);
        var streamed = mesh.Run(Reduce);
        var expected = Lengths.Select(length => StepData.Digest(StepData.Subtrees(tree, 0, Leaves, length).Single().Gradient.Span))
            .ToList();
        Assert.All(streamed, s => Assert.Equal(expected, s.Select(r => r.Sum)));

        var inProcess = new List<(string Sum, UInt128 Hash)>[world];
        var failures = Mesh.Threads(world, rank => inProcess[rank] = Reduce(rank, local.Join(mesh.Generation(rank))));
        Assert.All(failures, Assert.Null);
        Assert.All(inProcess, s => Assert.Equal(expected, s.Select(r => r.Sum)));
        // The hash, too, is the same for every number of workers.
        Assert.Single(streamed.Concat(inProcess).Select(s => string.Join(' ', s.Select(r => r.Hash))).Append(HashesOfOne.Value).Distinct());

        List<(string Sum, UInt128 Hash)> Reduce(int rank, IStepExchange exchange)
        {
            var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
            return [.. Lengths.Select(length =>
            {
                var sum = new float[length];
                var hash = exchange.Reduce(tree, StepData.Subtrees(tree, from, to, length), sum);
                return (StepData.Digest(sum), hash);
            })];
        }
    }

    private static readonly Lazy<string> HashesOfOne = new(() =>
    {
        var tree = new ReductionTree(Leaves);
        var alone = new LocalExchanges().Join(new ExchangeGeneration(Mesh.Stage, 0, 0, [BulkEndpoint.SameProcess]));
        return string.Join(' ', Lengths.Select(length => alone.Reduce(tree, StepData.Subtrees(tree, 0, Leaves, length),
            new float[length])));
    });

    [Fact]
    public void Members_without_leaves_own_slices_all_the_same()
    {
        var (tree, length) = (new ReductionTree(2), 9 * GradientChunks.Size);
        using var mesh = new Mesh(5, unix: true);
        var sums = mesh.Run((rank, exchange) =>
        {
            var (from, to) = LeafPartition.Leaves(rank, 2, 5);
            var sum = new float[length];
            exchange.Reduce(tree, StepData.Subtrees(tree, from, to, length), sum);
            return StepData.Digest(sum);
        });
        Assert.All(sums, s => Assert.Equal(StepData.Digest(StepData.Subtrees(tree, 0, 2, length).Single().Gradient.Span), s));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(8)]
    public void Bfloat16_gradients_have_the_same_sum_in_every_world_and_in_one_process(int world)
    {
        var (tree, length) = (new ReductionTree(Leaves, GradientFormat.Bf16), 5 * GradientChunks.Size + 3);
        var local = new LocalExchanges();
        using var mesh = new Mesh(world, unix: true);
        var streamed = mesh.Run(Reduce);
        var inProcess = new (string Sum, UInt128 Hash)[world];
        Assert.All(Mesh.Threads(world, rank => inProcess[rank] = Reduce(rank, local.Join(mesh.Generation(rank)))), Assert.Null);

        var root = StepData.Subtrees(tree, 0, Leaves, length).Single().Gradient;
        Assert.NotEqual(StepData.Digest(root.Span), StepData.Digest(StepData.Subtrees(new ReductionTree(Leaves), 0, Leaves, length)
            .Single().Gradient.Span));
        Assert.All(streamed.Concat(inProcess), r => Assert.Equal(StepData.Digest(root.Span), r.Sum));
        Assert.Single(streamed.Select(r => r.Hash).Distinct());

        (string Sum, UInt128 Hash) Reduce(int rank, IStepExchange exchange)
        {
            var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
            var sum = new float[length];
            var hash = exchange.Reduce(tree, StepData.Subtrees(tree, from, to, length), sum);
            return (StepData.Digest(sum), hash);
        }
    }
}
