using ClipMoe.Actors.Transport;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>Sums of a part of the gradient, which are made while the rest of it is computed.</summary>
public sealed class PartialSumTests
{
    private const int Leaves = 8, Length = 19 * GradientChunks.Size + 12345, Boundary = 5 * GradientChunks.Size + 77;

    /// <summary>None begins or ends with a page or a chunk but at the ends; one is empty, and in one most members own nothing.</summary>
    private static readonly GradientRange[] Parts = [new(Boundary, Length - Boundary), new(100, Boundary - 100), new(100, 0), new(0, 100)];

    private static readonly ReductionTree Tree = new(Leaves);

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, false)]
    [InlineData(5, true)]
    [InlineData(7, false)]
    [InlineData(3, false, GradientFormat.Bf16)]
    [InlineData(4, true, GradientFormat.Bf16)]
    public void Parts_have_the_bits_of_the_whole_while_the_rest_of_the_gradient_is_still_being_written(
        int world, bool unix, GradientFormat format = GradientFormat.Fp32)
    {
        var tree = new ReductionTree(Leaves, format);
        var whole = StepData.Subtrees(tree, 0, Leaves, Length).Single().Gradient;
        using var mesh = new Mesh(world, unix);
        var local = new LocalExchanges();
        var results = mesh.Run(Sum).ToList();
        var inProcess = new (string Sum, string Hashes)[world];
        Assert.All(Mesh.Threads(world, rank => inProcess[rank] = Sum(rank, local.Join(mesh.Generation(rank)))), Assert.Null);
        Assert.All(results.Concat(inProcess), r => Assert.Equal(StepData.Digest(whole.Span), r.Sum));
        // What travels in bf16 is hashed as it travels.
        Assert.Single((format == GradientFormat.Fp32 ? results.Concat(inProcess) : results).Select(r => r.Hashes).Distinct());

        (string Sum, string Hashes) Sum(int rank, IStepExchange exchange)
        {
            using var memories = new Memories();
            var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
            var finished = StepData.Subtrees(tree, from, to, Length);
            var mine = finished.Select(f => (f.Node, Gradient: memories.New(Length))).ToList();
            var sum = memories.New(Length);
            var hashes = new List<UInt128>();
            Compute(Parts[0]);
            for (var i = 0; i < Parts.Length; i++)
            {
                using var part = exchange.BeginReduce(tree, [.. mine.Select(m => (m.Node, (ReadOnlyMemory<float>)m.Gradient))], sum,
                    Parts[i]);
                if (i + 1 < Parts.Length) Compute(Parts[i + 1]);
                hashes.Add(part.Complete());
            }

            return (StepData.Digest(sum.Span), string.Join(' ', hashes));

            void Compute(GradientRange part)
            {
                foreach (var (made, place) in finished.Zip(mine))
                    made.Gradient.Slice(part.Start, part.Length).CopyTo(place.Gradient.Slice(part.Start, part.Length));
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_others_get_their_sums_from_a_member_that_has_begun_and_computes(bool unix)
    {
        const int world = 3;
        using var mesh = new Mesh(world, unix);
        using var others = new CountdownEvent(world - 1);
        mesh.Run((rank, exchange) =>
        {
            using var memories = new Memories();
            using var sum = Begin(rank, world, exchange, memories);
            if (rank == 0) Assert.True(others.Wait(Mesh.Patience));
            sum.Complete();
            return rank > 0 && others.Signal();
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_member_that_gives_a_sum_up_ends_the_step_for_all_and_has_its_memory_for_itself(bool unix)
    {
        const int world = 3, culprit = 1;
        using var mesh = new Mesh(world, unix);
        using var givenUp = new ManualResetEventSlim();
        var failures = mesh.Failures((rank, exchange) =>
        {
            using var memories = new Memories();
            var sum = Begin(rank, world, exchange, memories);
            if (rank == culprit)
            {
                sum.Dispose();
                givenUp.Set();
                exchange.Gather([StepData.Block(rank)]);
                return;
            }

            Assert.True(givenUp.Wait(Mesh.Patience));
            using (sum) sum.Complete();
            exchange.Gather([StepData.Block(rank)]);
        });
        Assert.IsType<OperationCanceledException>(failures[culprit]);
        foreach (var rank in (int[])[0, 2]) Assert.IsType<ExchangeBrokenException>(failures[rank]);
    }

    private static ISumInProgress Begin(int rank, int world, IStepExchange exchange, Memories memories)
    {
        var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
        var mine = Tree.MaximalSubtrees(from, to).Select(node => (node, (ReadOnlyMemory<float>)memories.New(Length))).ToList();
        return exchange.BeginReduce(Tree, mine, memories.New(Length), Parts[0]);
    }
}
