using ClipMoe.Model.Architecture;

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
/// The load balancing loss of Switch Transformer (arXiv 2101.03961, equations 4 to 6) as the reference pools it, over all MoE blocks of a tower
/// at once: E·Σₑ fₑ·Pₑ, with fₑ the choices of expert e per token (summing to K) and Pₑ the mean probability.
/// </summary>
internal static class RouterBalance
{
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
