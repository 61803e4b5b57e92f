using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Model.Training;

/// <summary>The samples of one leaf.</summary>
/// <param name="Leaf">Number of the leaf in [0, V).</param>
/// <param name="Rows">Samples n; may be 0.</param>
/// <param name="Images">[n, 3, R, R].</param>
/// <param name="Tokens">[n, context], zero padded.</param>
/// <param name="ShortTokens">The same for short captions; null when they are not trained on.</param>
public sealed record MicroBatch(int Leaf, int Rows, PixelBatch Images, int[] Tokens, int[]? ShortTokens = null);

/// <summary>What a leaf publishes to all workers after its forward pass.</summary>
/// <param name="Image">[n, C], L2-normalized, as are <paramref name="Text"/> and <paramref name="ShortText"/>.</param>
/// <param name="Loads">Choices of the routers; null for a dense model.</param>
public sealed record MicroBatchFeatures(int Leaf, int Rows, float[] Image, float[] Text, float[]? ShortText, MicroBatchLoads? Loads);

/// <summary>Tokens per expert in a leaf's passes, of the tokens that the balance loss counts.</summary>
public sealed record MicroBatchLoads(RouterLoad Image, RouterLoad Text, RouterLoad? ShortText);

/// <summary>What a micro-batch publishes in a round of the loss: floats that only the loss understands; none without samples.</summary>
public sealed record LossBlock(int MicroBatch, float[] Values);

/// <summary>
/// The global loss and what it is made of: each leaf gives its share, and shares add up along the tree. Router losses are unweighted, as
/// the reference logs them.
/// </summary>
public static class StepLoss
{
    public static readonly Metric Total = Of("loss");
    public static readonly Metric Contrastive = Of("loss/contrastive");
    public static readonly Metric ContrastiveShort = Of("loss/contrastive_short");

    /// <param name="loss">Its <see cref="RouterLoss.Name"/>.</param>
    /// <param name="pass">Whose routers, as <see cref="RouterMetrics"/> calls it.</param>
    public static Metric Router(string loss, string pass) => Of($"loss/{loss}/{pass}");

    private static Metric Of(string name) => new(name, MetricKind.Sum, Exact: true);
}
