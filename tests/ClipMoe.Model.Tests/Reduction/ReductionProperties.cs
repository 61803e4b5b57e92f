using System.Runtime.InteropServices;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace ClipMoe.Model.Tests.Reduction;

/// <summary>A batch of some leaves, dealt in runs to some workers.</summary>
/// <param name="Cuts">Where a worker's leaves end and the next one's begin.</param>
/// <param name="Length">Of each array that is summed.</param>
/// <param name="Seed">Of the values, and of the order in which the parts come.</param>
public sealed record Dealing(int Leaves, IReadOnlyList<int> Cuts, GradientFormat Format, int Length, int Seed)
{
    /// <summary>Leaves [From, To) of each worker; a run may be empty.</summary>
    public IEnumerable<(int From, int To)> Runs => Cuts.Prepend(0).Zip(Cuts.Append(Leaves));

    public override string ToString() => $"{Leaves} leaves cut at [{string.Join(", ", Cuts)}], {Length} values in {Format}, seed {Seed}";

    public static Arbitrary<Dealing> Any() => Arb.From(
        from leaves in Gen.Choose(1, 40)
        from cuts in Gen.Choose(0, leaves).ListOf()
        from format in Gen.Elements(GradientFormat.Fp32, GradientFormat.Bf16)
            // One pass over memory goes by blocks of 2,048.
        from length in Gen.Frequency((29, Gen.Choose(1, 8)), (1, Gen.Choose(2040, 4100)))
        from seed in Gen.Choose(0, 1_000_000)
        select new Dealing(leaves, [.. cuts.Take(12).Order()], format, length, seed),
        Smaller);

    private static IEnumerable<Dealing> Smaller(Dealing d) =>
    [
        .. Enumerable.Range(0, d.Cuts.Count).Select(i => d with { Cuts = [.. d.Cuts.Where((_, at) => at != i)] }),
        .. d.Leaves.Toward(1).Select(leaves => d with { Leaves = leaves, Cuts = [.. d.Cuts.Select(c => Math.Min(c, leaves))] }),
        .. d.Length.Toward(1).Select(length => d with { Length = length }),
        .. d.Seed.Toward(0).Select(seed => d with { Seed = seed }),
    ];
}

/// <summary>Whatever the number of leaves, and however they are dealt.</summary>
[Properties(Arbitrary = [typeof(Dealing)], QuietOnSuccess = true)]
public sealed class ReductionProperties
{
    [Property(MaxTest = 1000)]
    public void A_sum_has_the_bits_of_the_single_workers_sum(Dealing dealing)
    {
        var tree = new ReductionTree(dealing.Leaves, dealing.Format);
        var values = Enumerable.Range(0, dealing.Leaves).Select(leaf => Values(dealing, leaf)).ToList();
        var result = new float[dealing.Length];
        tree.Combine([.. Parts(dealing, tree).Select(node => (node, (ReadOnlyMemory<float>)Sum(node)))], result);
        Assert.Equal(MemoryMarshal.AsBytes(Sum(tree.Root).AsSpan()), MemoryMarshal.AsBytes(result.AsSpan()));

        float[] Sum(Subtree node)
        {
            if (node.Leaves == 1) return values[node.From];
            var (left, right) = Halves(node);
            return [.. Sum(left).Zip(Sum(right), (a, b) => Rounded(a + b, dealing.Format))];
        }
    }

    [Property(MaxTest = 1000)]
    public void The_same_additions_are_made_in_the_same_order(Dealing dealing)
    {
        var tree = new ReductionTree(dealing.Leaves);
        var sum = tree.Combine([.. Parts(dealing, tree).Select(node => (node, Written(node)))], (left, right) => $"({left} {right})");
        Assert.Equal(Written(tree.Root), sum);

        static string Written(Subtree node)
        {
            if (node.Leaves == 1) return $"{node.From}";
            var (left, right) = Halves(node);
            return $"({Written(left)} {Written(right)})";
        }
    }

    [Property(MaxTest = 1000)]
    public void A_workers_subtrees_are_the_largest_that_cover_its_leaves(Dealing dealing)
    {
        var tree = new ReductionTree(dealing.Leaves);
        foreach (var (from, to) in dealing.Runs)
        {
            var nodes = tree.MaximalSubtrees(from, to);
            Assert.Equal(Enumerable.Range(from, to - from), nodes.SelectMany(n => Enumerable.Range(n.From, n.Leaves)));
            Assert.All(nodes, node => Assert.True(tree.Contains(node), $"{node} is no node"));
            Assert.DoesNotContain(nodes.Zip(nodes.Skip(1)), pair => tree.AreSiblings(pair.First, pair.Second));
            // What a worker sends grows with the depth of the tree, not with its leaves.
            Assert.InRange(nodes.Count, 0, Math.Max(1, 2 * (int)Math.Ceiling(Math.Log2(dealing.Leaves))));
        }
    }

    [Property(MaxTest = 1000)]
    public void Parts_with_one_missing_or_doubled_are_refused(Dealing dealing)
    {
        var tree = new ReductionTree(dealing.Leaves);
        var nodes = Parts(dealing, tree);
        var chosen = nodes[dealing.Seed % nodes.Count];
        Assert.Throws<ArgumentException>(() => tree.Plan([.. nodes.Where(n => n != chosen)]));
        Assert.Throws<ArgumentException>(() => tree.Plan([.. nodes, chosen]));
        if (chosen.Leaves > 1) Assert.Throws<ArgumentException>(() => tree.Plan([.. nodes, Halves(chosen).Left]));
    }

    [Property(MaxTest = 1000)]
    public void Rows_and_leaves_are_dealt_in_order_and_as_evenly_as_they_can_be(PositiveInt rows, PositiveInt leaves, PositiveInt workers)
    {
        var dealt = Enumerable.Range(0, workers.Get).Select(w => LeafPartition.Leaves(w, leaves.Get, workers.Get)).ToList();
        AssertPartition(dealt, leaves.Get);
        AssertPartition([.. Enumerable.Range(0, leaves.Get).Select(leaf => LeafPartition.Rows(leaf, rows.Get, leaves.Get))], rows.Get);
        Assert.Equal(workers.Get <= leaves.Get, dealt.All(d => d.To > d.From));
    }

    private static void AssertPartition(List<(int From, int To)> parts, int whole)
    {
        Assert.Equal(Enumerable.Range(0, whole), parts.SelectMany(p => Enumerable.Range(p.From, p.To - p.From)));
        Assert.InRange(parts.Max(p => p.To - p.From) - parts.Min(p => p.To - p.From), 0, 1);
    }

    /// <summary>All workers' subtrees, in any order.</summary>
    private static IReadOnlyList<Subtree> Parts(Dealing dealing, ReductionTree tree)
    {
        var nodes = dealing.Runs.SelectMany(r => tree.MaximalSubtrees(r.From, r.To)).ToList();
        var order = new KeyedPermutation(RandomKey.FromSeed((ulong)dealing.Seed), nodes.Count);
        return [.. Enumerable.Range(0, nodes.Count).Select(i => nodes[order[i]])];
    }

    /// <summary>The tree as it is defined: by the largest power of two below the number of leaves.</summary>
    private static (Subtree Left, Subtree Right) Halves(Subtree node)
    {
        var power = 1;
        while (2 * power < node.Leaves) power *= 2;
        return (new Subtree(node.From, node.From + power), new Subtree(node.From + power, node.To));
    }

    /// <summary>Of very different magnitudes, so that another order would give other bits.</summary>
    private static float[] Values(Dealing dealing, int leaf)
    {
        var key = RandomKey.FromSeed((ulong)dealing.Seed).Derive(leaf);
        return [.. Enumerable.Range(0, dealing.Length).Select(i => Rounded(Value(i), dealing.Format))];

        float Value(int i) => (float)((key.Unit(i) - 0.5) * Math.Pow(2, key.Derive(i).Below(0, 40) - 20));
    }

    private static float Rounded(float value, GradientFormat format)
    {
        if (format == GradientFormat.Fp32) return value;
        var bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle(bits + 0x7FFF + ((bits >> 16) & 1) & 0xFFFF0000);
    }
}
