using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Reduction;

public sealed class ReductionTreeTests
{
    [Fact]
    public void A_node_splits_at_the_largest_power_of_two_below_its_size()
    {
        Assert.Equal((new Subtree(0, 4), new Subtree(4, 8)), ReductionTree.Split(new Subtree(0, 8)));
        Assert.Equal((new Subtree(0, 4), new Subtree(4, 7)), ReductionTree.Split(new Subtree(0, 7)));
        Assert.Equal((new Subtree(4, 6), new Subtree(6, 7)), ReductionTree.Split(new Subtree(4, 7)));
    }

    [Fact]
    public void Maximal_subtrees_of_a_run_of_leaves_are_as_few_as_can_be()
    {
        Assert.Equal([new Subtree(0, 8)], new ReductionTree(8).MaximalSubtrees(0, 8));
        Assert.Equal([new Subtree(1, 2), new Subtree(2, 4), new Subtree(4, 6), new Subtree(6, 7)],
            new ReductionTree(8).MaximalSubtrees(1, 7));
        Assert.Equal([new Subtree(4, 7)], new ReductionTree(7).MaximalSubtrees(4, 7));
        Assert.Empty(new ReductionTree(3).MaximalSubtrees(2, 2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(13)]
    public void A_sum_has_the_same_bits_however_the_leaves_are_dealt(int leaves)
    {
        const int length = 20000;
        var random = new Random(leaves);
        var values = Enumerable.Range(0, leaves).Select(_ => Enumerable.Range(0, length).Select(_ => random.NextSingle() - 0.5f).ToArray())
            .ToList();
        var tree = new ReductionTree(leaves);
        var expected = Reduce(1);
        for (var workers = 2; workers <= leaves; workers++) Assert.Equal(expected, Reduce(workers));
        Close.Within(1e-5, [.. Enumerable.Range(0, length).Select(i => values.Sum(v => v[i]))], expected, "sum");

        float[] Reduce(int workers)
        {
            var parts = new List<(Subtree, ReadOnlyMemory<float>)>();
            for (var worker = workers - 1; worker >= 0; worker--)
            {
                var (from, to) = LeafPartition.Leaves(worker, leaves, workers);
                parts.AddRange(tree.MaximalSubtrees(from, to).Select(node => (node, (ReadOnlyMemory<float>)SumOf(node))));
            }

            var result = new float[length];
            tree.Combine(parts, result);
            return result;
        }

        float[] SumOf(Subtree node)
        {
            if (node.Leaves == 1) return values[node.From];
            var (left, right) = ReductionTree.Split(node);
            return [.. SumOf(left).Zip(SumOf(right), (a, b) => a + b)];
        }
    }

    [Fact]
    public void The_result_may_be_the_memory_of_a_part()
    {
        float[] left = [.. Enumerable.Range(0, 9000).Select(i => (float)i)], right = [.. left.Select(v => 1 - v)];
        new ReductionTree(2).Combine([(new Subtree(0, 1), left), (new Subtree(1, 2), right)], left);
        Assert.All(left, v => Assert.Equal(1, v));
    }

    [Fact]
    public void Parts_that_are_missing_doubled_or_no_nodes_are_refused()
    {
        var tree = new ReductionTree(4);
        Assert.Throws<ArgumentException>(() => tree.Combine([(new Subtree(0, 2), 1), (new Subtree(3, 4), 1)], (a, b) => a + b));
        Assert.Throws<ArgumentException>(() => tree.Combine([(new Subtree(0, 4), 1), (new Subtree(3, 4), 1)], (a, b) => a + b));
        Assert.Throws<ArgumentException>(() => tree.Combine([(new Subtree(0, 1), 1), (new Subtree(1, 3), 1), (new Subtree(3, 4), 1)],
            (a, b) => a + b));
    }
}
