using ClipMoe.Model.Architecture;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// T tokens (batch-major), E experts, K experts chosen per token, B tokens that experts compute.

/// <summary>What a router makes of its logits.</summary>
/// <param name="Probabilities_TE">fp32, with their graph.</param>
/// <param name="Chosen_TK">Probabilities of the experts chosen, most probable first.</param>
/// <param name="Choices_TK">The experts chosen.</param>
internal sealed record RouterDecision(Tensor Probabilities_TE, Tensor Chosen_TK, Tensor Choices_TK);

/// <summary>Chooses experts for tokens, weighs what they compute, and brings the losses that it is trained with.</summary>
internal interface IRouter
{
    /// <summary>Experts per token.</summary>
    int TopK { get; }

    /// <summary>Besides the model's own loss.</summary>
    IReadOnlyList<RouterLoss> Losses { get; }

    RouterDecision Decide(Tensor logits_TE);

    /// <summary>Factors of the experts' outputs, from the probabilities of those chosen.</summary>
    Tensor Weights(Tensor chosen_BK);
}

/// <summary>The routers that models have; the one place that knows their types.</summary>
internal static class Routers
{
    public static IRouter Create(MoeConfig moe, IReadOnlyList<RouterLoss> losses) => new TopKRouter(moe.TopK, losses);
}

/// <summary>Softmax in fp32 over the logits, cut to the K largest and renormalized.</summary>
internal sealed class TopKRouter(int topK, IReadOnlyList<RouterLoss> losses) : IRouter
{
    public int TopK => topK;

    public IReadOnlyList<RouterLoss> Losses => losses;

    public RouterDecision Decide(Tensor logits_TE)
    {
        var p_TE = logits_TE.softmax(1, ScalarType.Float32);
        var (chosen_TK, choices_TK) = p_TE.topk(topK, 1);
        return new RouterDecision(p_TE, chosen_TK, choices_TK);
    }

    public Tensor Weights(Tensor chosen_BK) => chosen_BK / chosen_BK.sum([1L], keepdim: true);
}
