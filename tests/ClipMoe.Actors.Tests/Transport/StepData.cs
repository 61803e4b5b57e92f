using System.Collections.Concurrent;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>What the leaves of a batch would publish, made up: with every kind of float, and with leaves that have no samples.</summary>
internal static class StepData
{
    private static readonly float[] Odd = [0f, -0f, float.NaN, float.PositiveInfinity, float.Epsilon, -float.MaxValue, 1 / 3f];

    private static readonly ConcurrentDictionary<(Subtree Node, int Length, GradientFormat Format), float[]> Sums = new();

    public static MicroBatchFeatures Features(int leaf, bool moe) => new(
        leaf, leaf % 3, Floats(leaf, leaf % 3 * 5), Floats(leaf + 1, leaf % 3 * 5), moe ? null : Floats(leaf + 2, leaf % 3 * 5),
        moe ? new MicroBatchLoads(Load(leaf), Load(leaf + 1), leaf % 2 == 0 ? Load(leaf + 2) : null) : null);

    public static LossBlock Block(int leaf) => new(leaf, Floats(leaf, leaf % 3 * 2));

    /// <summary>Gradient of a leaf: values of very different size, so that another order of additions gives other bits.</summary>
    public static float[] Gradient(int leaf, int length)
    {
        var random = new Random(leaf);
        var values = new float[length];
        for (var i = 0; i < length; i++) values[i] = (random.NextSingle() - 0.5f) * (1 << random.Next(24));
        return values;
    }

    /// <summary>What a worker with these leaves contributes.</summary>
    public static List<(Subtree Node, ReadOnlyMemory<float> Gradient)> Subtrees(ReductionTree tree, int from, int to, int length)
    {
        return [.. tree.MaximalSubtrees(from, to).Select(node => (node, (ReadOnlyMemory<float>)SumOf(node, length, tree.Format)))];
    }

    private static float[] SumOf(Subtree node, int length, GradientFormat format) => Sums.GetOrAdd((node, length, format), _ =>
    {
        var sum = Exact();
        if (format == GradientFormat.Bf16) BFloat16.Round(sum, sum);
        return sum;

        float[] Exact()
        {
            if (node.Leaves == 1) return Gradient(node.From, length);
            var (left, right) = ReductionTree.Split(node);
            var sum = new float[length];
            TensorPrimitives.Add(SumOf(left, length, format), SumOf(right, length, format), sum);
            return sum;
        }
    });

    public static List<int> Leaves(int rank, int leaves, int world)
    {
        var (from, to) = LeafPartition.Leaves(rank, leaves, world);
        return [.. Enumerable.Range(from, to - from)];
    }

    /// <summary>Everything of it, floats as bits, so that equal text means equal bits.</summary>
    public static string Text(MicroBatchFeatures f) =>
        $"{f.Leaf} {f.Rows} {Text(f.Image)} {Text(f.Text)} {Text(f.ShortText)} " +
        $"{Text(f.Loads?.Image)} {Text(f.Loads?.Text)} {Text(f.Loads?.ShortText)}";

    public static string Text(LossBlock b) => $"{b.MicroBatch} {Text(b.Values)}";

    /// <summary>Equal for equal bits, and short enough to be shown when it isn't.</summary>
    public static string Digest(ReadOnlySpan<float> values) =>
        $"{values.Length}: {Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values)))}";

    private static string Text(float[]? values) => values is null ? "none"
        : $"[{Convert.ToHexString(MemoryMarshal.AsBytes(values.AsSpan()))}]";

    private static string Text(RouterLoad? load) =>
        load is null ? "none" : $"{load.Layers}x{load.Experts} {load.Tokens} [{string.Join(',', load.Counts)}]";

    private static float[] Floats(int seed, int count) => [.. Enumerable.Range(0, count).Select(i => Odd[(seed + i) % Odd.Length])];

    private static RouterLoad Load(int seed) => new(2, 3, [seed, 2, 3, 4, 5, long.MaxValue - seed], 7 * seed);
}
