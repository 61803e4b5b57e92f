using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Model.Training;

/// <summary>What decides the loss of a step besides the samples and the weights. The defaults are the reference's.</summary>
public sealed record StepSettings
{
    /// <summary>Leaves V that the global batch is cut into.</summary>
    public required int Leaves { get; init; }

    /// <summary>How the gradients of leaves are summed.</summary>
    public GradientFormat Gradients { get; init; } = GradientFormat.Fp32;

    /// <summary>Part of the contrastive target spread evenly over the global batch.</summary>
    public double LabelSmoothing { get; init; } = 0.1;

    /// <summary>Factor on the contrastive loss of short captions (the reference's alpha).</summary>
    public double ShortTextWeight { get; init; } = 1;

    /// <summary>Factor on router image + (text + short text)/2 (the reference's beta).</summary>
    public double RouterLossWeight { get; init; } = 0.01;

    /// <summary>Factor on the same sum of the routers' z-losses; 0 for none.</summary>
    public double RouterZLossWeight { get; init; }

    public RouterLossTokens RouterLossTokens { get; init; } = RouterLossTokens.Valid;

    /// <summary>Probability with which a hidden value of an expert is dropped.</summary>
    public double ExpertDropout { get; init; }

    /// <summary>Seed of the dropout masks, which depend on (seed, step, leaf) alone.</summary>
    public ulong Seed { get; init; }

    /// <summary>
    /// Ranks of the reference to imitate: its balance loss is computed per rank, divided by the number of ranks and then averaged over
    /// them. Divides <see cref="Leaves"/>; 1 is the loss of the global batch.
    /// </summary>
    public int ReferenceWorld { get; init; } = 1;

    /// <summary>What is measured besides; the weights have the same bits whatever it is.</summary>
    public MeasuredMetrics Metrics { get; init; } = MeasuredMetrics.All;

    /// <summary>The losses of the routers of each tower. That of balance is computed without a weight too: it is measured.</summary>
    internal IReadOnlyList<RouterLoss> RouterLosses()
    {
        var balance = new RouterBalance(RouterLossWeight);
        return RouterZLossWeight == 0 ? [balance] : [balance, new RouterZLoss(RouterZLossWeight)];
    }
}
