using ClipMoe.Model.Architecture;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// T tokens (batch-major), E experts.

/// <summary>The tokens of one pass through a tower that a router's loss counts, and what it may know of others.</summary>
/// <param name="Blocks">What the routers of the pass decided.</param>
/// <param name="Counted_T1">1 for a token that counts, 0 for one that doesn't; null where all count.</param>
/// <param name="Group">Load of all passes that share one loss. It is what passes publish; a loss takes from it what it needs.</param>
/// <param name="Groups">Groups of the global batch, whose losses are averaged.</param>
internal sealed record RoutedTokens(Routing Blocks, Tensor? Counted_T1, RouterLoad Group, int Groups);

/// <summary>A loss of a tower's routers, over all its blocks at once.</summary>
internal abstract class RouterLoss(double weight)
{
    /// <summary>As it is called among the metrics.</summary>
    public abstract string Name { get; }

    public double Weight => weight;

    /// <summary>
    /// The pass's share of the loss, unweighted: shares add up to it. Adds the gradients of the weighted loss for tensors of the pass.
    /// </summary>
    /// <param name="factor">Of the tower, beside the loss's weight.</param>
    public abstract double Share(RoutedTokens pass, double factor, List<(Tensor Root, Tensor Gradient)> roots);
}
