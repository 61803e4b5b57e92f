using System.Numerics.Tensors;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Model.Training;

/// <summary>What is measured of the gradient of the global batch.</summary>
public static class GradientMetrics
{
    /// <summary>Few enough that their sum of squares in fp32 is a good one.</summary>
    private const int Block = 4096;

    private static readonly Metric Norm = new("gradient_norm", MetricKind.Norm, Headline: true);

    /// <summary>
    /// The length of one part of the gradient, which has as many parts as there are leaves. Each worker reads the parts of its own leaves,
    /// and the length of the whole does not depend on how leaves are dealt.
    /// </summary>
    public static void Add(MetricBag bag, ReadOnlySpan<float> gradient, int leaf, int leaves)
    {
        var (from, to) = ((int)((long)gradient.Length * leaf / leaves), (int)((long)gradient.Length * (leaf + 1) / leaves));
        var sum = 0.0;
        for (var at = from; at < to; at += Block) sum += TensorPrimitives.SumOfSquares(gradient[at..Math.Min(to, at + Block)]);
        bag.Add(Norm, Math.Sqrt(sum));
    }
}
