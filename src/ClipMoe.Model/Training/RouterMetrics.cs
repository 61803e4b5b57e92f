using ClipMoe.Model.Architecture;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Tensors;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>What the routers do in one kind of pass, for each MoE block, over the tokens that the balance loss counts.</summary>
/// <param name="pass">What to call it.</param>
/// <param name="firstLayer">The tower's first MoE block.</param>
internal sealed class RouterMetrics(string pass, int firstLayer)
{
    public const string ImagePass = "image", TextPass = "text", ShortTextPass = "text_short";

    public static (RouterMetrics Image, RouterMetrics Text, RouterMetrics ShortText) Of(ClipConfig config)
    {
        return (New(ImagePass, config.Vision), New(TextPass, config.Text), New(ShortTextPass, config.Text));

        RouterMetrics New(string pass, TowerConfig tower) => new(pass, tower.Layers - config.Moe!.LayersOf(tower));
    }

    /// <summary>Shares of one micro-batch in the mean entropy of a token's probabilities of all experts.</summary>
    /// <param name="tokens">That are counted in the whole batch.</param>
    public void AddEntropy(MetricBag bag, TowerPass done, long tokens)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var counted_T = done.Counted is not { } counted ? null
            : HostTensor.Create([.. counted.Select(c => c ? 1f : 0f)], [counted.Length], done.Features_nC.device);
        var sums_L = HostTensor.Read(stack([.. done.Routing!.Probabilities_TE.Select(p_TE =>
        {
            var entropy_T = special.entr(p_TE).sum([1L]);
            return (counted_T is null ? entropy_T : entropy_T * counted_T).sum();
        })]));
        for (var layer = 0; layer < sums_L.Length; layer++)
            bag.Add(new Metric(Name(layer, "entropy"), MetricKind.Sum, "nats"), sums_L[layer] / (double)tokens);
    }

    /// <summary>Choices of each expert. All workers know those of the whole batch, so one micro-batch gives them for all.</summary>
    public void AddLoad(MetricBag bag, RouterLoad all)
    {
        for (var layer = 0; layer < all.Layers; layer++)
        {
            var counts_E = all.Counts.AsSpan(layer * all.Experts, all.Experts);
            var load_E = new double[counts_E.Length];
            for (var e = 0; e < load_E.Length; e++) load_E[e] = counts_E[e];
            bag.Add(new Metric(Name(layer, "load"), MetricKind.Histogram, "choices", Bins: all.Experts), load_E);
        }
    }

    private string Name(int layer, string what) => $"router/{pass}/layer.{firstLayer + layer}/{what}";
}
