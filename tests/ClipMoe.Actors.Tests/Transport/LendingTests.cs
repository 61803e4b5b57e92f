using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>Reductions of gradients in memory that members of one host lend each other.</summary>
public sealed class LendingTests
{
    private const int Leaves = 8, Length = 21 * GradientChunks.Size + 12345;

    private static readonly ReductionTree Tree = new(Leaves);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Sums_are_bitwise_those_of_the_tree_in_one_host_and_with_members_over_tcp(int world)
    {
        using var near = new Mesh(world, unix: true);
        using var mixed = new Mesh(world, unix: true, settings: null, far: [0, 3, 4]);
        var results = near.Run((rank, exchange) => Steps(rank, world, exchange))
            .Concat(mixed.Run((rank, exchange) => Steps(rank, world, exchange))).SelectMany(r => r).ToList();
        var expected = StepData.Digest(StepData.Subtrees(Tree, 0, Leaves, Length).Single().Gradient.Span);
        Assert.All(results, r => Assert.Equal(expected, r.Sum));
        Assert.Single(results.Select(r => r.Hash).Append(HashOfOne.Value).Distinct());
    }

    /// <summary>
    /// With fewer chunks than members some owe nothing but what is there before a member has begun, and has lent anything.
    /// </summary>
    [Fact]
    public void Members_that_own_no_chunk_say_that_they_have_read_what_was_lent_to_them_all_the_same()
    {
        const int world = 4, length = GradientChunks.Size + 5, steps = 300;
        var expected = StepData.Digest(StepData.Subtrees(Tree, 0, Leaves, length).Single().Gradient.Span);
        using var mesh = new Mesh(world, unix: true);
        Assert.All(mesh.Run(Sums).SelectMany(s => s), sum => Assert.Equal(expected, sum));

        List<string> Sums(int rank, IStepExchange exchange)
        {
            using var memories = new Memories();
            var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
            var (node, gradient) = StepData.Subtrees(Tree, from, to, length).Single();
            var (lent, sum) = (memories.New(length), memories.New(length));
            gradient.CopyTo(lent);
            var sums = new List<string>();
            for (var step = 0; step < steps; step++)
            {
                exchange.Reduce(Tree, [(node, (ReadOnlyMemory<float>)lent)], sum);
                sums.Add(StepData.Digest(sum.Span));
            }

            return sums;
        }
    }

    private static readonly Lazy<UInt128> HashOfOne = new(() =>
        new LocalExchanges().Join(new ExchangeGeneration(Mesh.Stage, 0, 0, [BulkEndpoint.SameProcess]))
            .Reduce(Tree, StepData.Subtrees(Tree, 0, Leaves, Length), new float[Length]));

    /// <summary>Two steps whose gradients lie in the same memory, which is scribbled over as soon as it is the owner's again.</summary>
    private static List<(string Sum, UInt128 Hash)> Steps(int rank, int world, IStepExchange exchange)
    {
        using var memories = new Memories();
        var (from, to) = LeafPartition.Leaves(rank, Leaves, world);
        var gradients = StepData.Subtrees(Tree, from, to, Length);
        // Some members have part of it elsewhere.
        var lent = gradients.Select((g, i) => rank == 2 && i == 0 ? new float[Length] : memories.New(Length)).ToList();
        var sum = rank == 1 ? new float[Length] : memories.New(Length);
        var results = new List<(string, UInt128)>();
        for (var step = 0; step < 2; step++)
        {
            for (var i = 0; i < lent.Count; i++) gradients[i].Gradient.CopyTo(lent[i]);
            var hash = exchange.Reduce(Tree, [.. gradients.Select((g, i) => (g.Node, (ReadOnlyMemory<float>)lent[i]))], sum);
            results.Add((StepData.Digest(sum.Span), hash));
            foreach (var memory in lent.Append(sum)) memory.Span.Fill(float.NaN);
        }

        return results;
    }

    [Theory]
    [InlineData(FrameKind.Gradients, FaultAction.FlipBit, "Gradients that was damaged")]
    [InlineData(FrameKind.Sums, FaultAction.FlipBit, "Sums that was damaged")]
    [InlineData(FrameKind.Read, FaultAction.FlipBit, "Read that was damaged")]
    [InlineData(FrameKind.Gradients, FaultAction.CloseStream, "")]
    [InlineData(FrameKind.Sums, FaultAction.CloseStream, "")]
    [InlineData(FrameKind.Read, FaultAction.CloseStream, "")]
    [InlineData(FrameKind.Gradients, FaultAction.Repeat, "which was not to come now")]
    [InlineData(FrameKind.Sums, FaultAction.Repeat, "which was not to come now")]
    public void What_is_damaged_or_lost_while_it_is_read_ends_the_step_for_all_and_no_mapping_stays(FrameKind kind, FaultAction action,
        string what)
    {
        const int world = 3, culprit = 1;
        // A size by which its mappings are known.
        var length = (41 + 2 * (int)kind + 16 * (int)action) * GradientChunks.Size;
        using (var mesh = new Mesh(world, unix: true, rank => new TransportSettings
        {
            Fault = rank != culprit ? null : site => site.Kind == kind && site.To == 0 && site.Ordinal == 0 ? action : FaultAction.None,
        }))
        {
            var failures = mesh.Failures((rank, exchange) =>
            {
                using var memories = new Memories();
                var tree = new ReductionTree(world);
                exchange.Reduce(tree, [(new Subtree(rank, rank + 1), memories.New(length))], memories.New(length));
                exchange.Gather([StepData.Block(rank)]);
            });
            Assert.All(failures, f => Assert.IsType<ExchangeBrokenException>(f));
            var noticed = (ExchangeBrokenException)failures[0]!;
            Assert.Contains(what, noticed.What);
            // A stream that the culprit closes is only the first of several.
            if (action != FaultAction.CloseStream) Assert.Equal(culprit, noticed.Peer);
        }

        Assert.DoesNotContain(File.ReadLines("/proc/self/maps"), m => m.Contains("memfd:clipmoe") && SizeOf(m) == length * sizeof(float));
    }

    private static long SizeOf(string mapping)
    {
        var addresses = mapping[..mapping.IndexOf(' ')].Split('-').Select(a => Convert.ToInt64(a, 16)).ToArray();
        return addresses[1] - addresses[0];
    }
}
