using ClipMoe.Model.Clip;
using ClipMoe.Model.Native;
using static TorchSharp.torch;

namespace ClipMoe.Model.Losses;

/// <summary>
/// The router z-loss of ST-MoE (arXiv 2202.08906, equation 5): the mean of (log Σₑ exp xₑ)² over tokens and blocks, with x the router's
/// logits. It holds them small, where rounding matters least. Of other passes it needs their number of tokens only.
/// </summary>
internal sealed class RouterZLoss(double weight) : RouterLoss(weight)
{
    public override string Name => "router_z";

    public override double Share(RoutedTokens pass, double factor, List<(Tensor Root, Tensor Gradient)> roots)
    {
        var tokens = (double)pass.Group.Layers * pass.Group.Tokens * pass.Groups;
        if (tokens == 0) return 0;
        var sum = 0.0;
        foreach (var (logits_TE, p_TE) in pass.Blocks.Logits_TE.Zip(pass.Blocks.Probabilities_TE))
        {
            var z_T1 = logits_TE.to(ScalarType.Float32).logsumexp(1, keepdim: true);
            var counted_T1 = pass.Counted_T1 is null ? z_T1 : z_T1 * pass.Counted_T1;
            roots.Add((logits_TE, (p_TE * counted_T1).TimesInPlace(2 * Weight * factor / tokens).to(logits_TE.dtype)));
            sum += (counted_T1 * z_T1).to(ScalarType.Float64).sum().item<double>();
        }

        return sum / tokens;
    }
}
