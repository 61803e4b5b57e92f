using ClipMoe.Model.Architecture;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// T tokens (batch-major), E experts, K experts chosen per token.

/// <summary>What the routers of one pass through a tower decided, block by block.</summary>
/// <param name="dropout">Drops hidden values of experts; null for none.</param>
internal sealed class Routing(IRouter router, Dropout? dropout = null) : IDisposable
{
    public IRouter Router => router;

    public int TopK => router.TopK;

    public Dropout? Dropout => dropout;

    /// <summary>Per block [T, E], in compute precision.</summary>
    public List<Tensor> Logits_TE { get; } = [];

    /// <summary>Per block [T, E], fp32, with their graph: routers' losses differentiate them, or the logits.</summary>
    public List<Tensor> Probabilities_TE { get; } = [];

    /// <summary>Per block [T, K]: the experts chosen, most probable first.</summary>
    public List<long[]> Choices_TK { get; } = [];

    /// <summary>Load of the tokens that <paramref name="counts"/> holds for.</summary>
    /// <param name="experts">E.</param>
    /// <param name="counts">[T]; null for all tokens.</param>
    public RouterLoad Load(int experts, bool[]? counts = null)
    {
        var load = new long[Choices_TK.Count * experts];
        for (var layer = 0; layer < Choices_TK.Count; layer++)
        {
            var choices = Choices_TK[layer];
            for (var i = 0; i < choices.Length; i++) if (counts is null || counts[i / TopK]) load[layer * experts + choices[i]]++;
        }

        var tokens = counts?.Count(c => c) ?? (Choices_TK.Count == 0 ? 0 : Choices_TK[0].Length / TopK);
        return new RouterLoad(Choices_TK.Count, experts, load, tokens);
    }

    /// <summary>Adds a block's decisions and takes over its tensors from the dispose scope that they were made in.</summary>
    public void Record(Tensor logits_TE, Tensor p_TE, long[] choices_TK)
    {
        Logits_TE.Add(logits_TE.DetachFromDisposeScope());
        Probabilities_TE.Add(p_TE.DetachFromDisposeScope());
        Choices_TK.Add(choices_TK);
    }

    public void Dispose()
    {
        foreach (var t in Logits_TE.Concat(Probabilities_TE)) t.Dispose();
    }
}
