using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Tensors;
using static TorchSharp.torch;

namespace ClipMoe.Model.Losses;

/// <summary>Which text tokens the balance loss counts.</summary>
public enum RouterLossTokens
{
    /// <summary>Those up to the end of the text.</summary>
    Valid,
    /// <summary>All positions, padding too, as the reference; nothing of the text can be cut off then.</summary>
    All,
}

/// <summary>
/// The load balancing loss of Switch Transformer (arXiv 2101.03961, equations 4 to 6) as the reference pools it, over all MoE blocks of a
/// tower at once: E·Σₑ fₑ·Pₑ, with fₑ the choices of expert e per token (summing to K) and Pₑ the mean probability.
/// </summary>
internal sealed class RouterBalance(double weight) : RouterLoss(weight)
{
    public override string Name => "router_balance";

    /// <summary>
    /// The reference computes the loss on each rank, divides it by the number of ranks and averages it over them; here ranks are groups.
    /// </summary>
    public override double Share(RoutedTokens pass, double factor, List<(Tensor Root, Tensor Gradient)> roots)
    {
        var perGroup = 1.0 / ((double)pass.Groups * pass.Groups);
        var slopes_E = Slopes(pass.Group);
        var device = pass.Blocks.Probabilities_TE[0].device;
        var slope_E = HostTensor.Create([.. slopes_E.Select(s => (float)(s * perGroup * (Weight * factor)))], [slopes_E.Length], device);
        var sums_E = new double[slopes_E.Length];
        foreach (var p_TE in pass.Blocks.Probabilities_TE)
        {
            roots.Add((p_TE, pass.Counted_T1 is null ? slope_E.expand(p_TE.shape) : pass.Counted_T1 * slope_E));
            var sum_E = HostTensor.Read((pass.Counted_T1 is null ? p_TE : p_TE * pass.Counted_T1).sum([0L]));
            for (var e = 0; e < sums_E.Length; e++) sums_E[e] += sum_E[e];
        }

        return perGroup * Share(slopes_E, sums_E);
    }

    /// <summary>∂loss/∂p for each expert, equal for all tokens: E·fₑ/tokens. fₑ counts choices and has no gradient.</summary>
    /// <param name="group">Load of all tokens that share one loss.</param>
    public static double[] Slopes(RouterLoad group)
    {
        var tokens = (double)group.Layers * group.Tokens;
        return [.. Enumerable.Range(0, group.Experts).Select(e => tokens == 0 ? 0 : group.Experts * (group.CountOf(e) / tokens) / tokens)];
    }

    /// <summary>The share of the tokens whose probabilities sum to <paramref name="probabilities_E"/> in their group's loss.</summary>
    public static double Share(double[] slopes_E, double[] probabilities_E) => slopes_E.Zip(probabilities_E, (a, b) => a * b).Sum();
}
