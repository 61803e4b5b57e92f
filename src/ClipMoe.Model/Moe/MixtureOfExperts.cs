using System.Runtime.InteropServices;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Parameters;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Moe;

// T tokens, D width, E experts, K experts per token, S = T·K (token, expert) pairs sorted by expert.

/// <summary>Sparse FFN: a router chooses K experts per token and weights their outputs.</summary>
internal static class MixtureOfExperts
{
    /// <summary>Σₖ wₖ·expertₖ(x), with w the softmax (fp32) of the router's logits, cut to the K largest and renormalised. [T, D] → [T, D].</summary>
    public static Tensor Forward(Tensor x_TD, BlockParameters w, Routing routing)
    {
        var (experts, topK) = (w.Experts.Length, routing.TopK);
        var logits_TE = x_TD.mm(w.Gate_DE!);
        var p_TE = logits_TE.softmax(1, ScalarType.Float32);
        var (weights_TK, choices_TK) = p_TE.topk(topK, 1);
        weights_TK = (weights_TK / weights_TK.sum(1, keepdim: true)).to(x_TD.dtype);
        var choices = MemoryMarshal.Cast<byte, long>(choices_TK.cpu().bytes).ToArray();
        routing.Record(logits_TE, p_TE, choices);

        var plan = DispatchPlan.Of(choices, experts);
        var x_SD = Gather(x_TD, plan, topK).split(plan.Counts);
        var y_SD = new List<Tensor>(experts);
        for (var e = 0; e < experts; e++)
        {
            if (plan.Counts[e] == 0) continue;
            y_SD.Add(TransformerBlock.Ffn(x_SD[e], w.Experts[e], routing.DropoutMask(plan.Counts[e], w.Experts[e].Fc.B_O.shape[0], x_TD)));
        }

        var place_S = HostTensor.Of(plan.Places, [plan.Places.Length], x_TD.device);
        var y_TKD = cat(y_SD, 0).index_select(0, place_S).view(-1, topK, x_TD.shape[1]);
        return weights_TK.unsqueeze(1).bmm(y_TKD).squeeze(1);
    }

    /// <summary>
    /// Rows of <paramref name="x_TD"/> in the order of the plan. The backward of a gather adds with atomics on a GPU: with at most two summands
    /// per row their order cannot matter; with more, rows are repeated first, so that each is gathered once.
    /// </summary>
    private static Tensor Gather(Tensor x_TD, DispatchPlan plan, int topK)
    {
        ReadOnlySpan<long> shape = [plan.Pairs.Length];
        if (topK <= 2) return x_TD.index_select(0, HostTensor.Of([.. plan.Pairs.Select(p => p / topK)], shape, x_TD.device));
        var (tokens, width) = (x_TD.shape[0], x_TD.shape[1]);
        var x_SD = x_TD.unsqueeze(1).expand(tokens, topK, width).reshape(-1, width);
        return x_SD.index_select(0, HostTensor.Of(plan.Pairs, shape, x_TD.device));
    }
}

/// <summary>The order in which (token, expert) pairs are computed: by expert, within an expert by token.</summary>
/// <param name="Pairs">[S]: the pair (token·K + rank) at each place.</param>
/// <param name="Places">[S]: the place of each pair.</param>
/// <param name="Counts">[E]: pairs of each expert.</param>
internal sealed record DispatchPlan(long[] Pairs, long[] Places, long[] Counts)
{
    public static DispatchPlan Of(ReadOnlySpan<long> choices_TK, int experts)
    {
        var counts = new long[experts];
        foreach (var e in choices_TK) counts[e]++;
        var next = new long[experts];
        for (var e = 1; e < experts; e++) next[e] = next[e - 1] + counts[e - 1];
        var (pairs, places) = (new long[choices_TK.Length], new long[choices_TK.Length]);
        for (var pair = 0; pair < choices_TK.Length; pair++)
        {
            var place = next[choices_TK[pair]]++;
            pairs[place] = pair;
            places[pair] = place;
        }

        return new DispatchPlan(pairs, places, counts);
    }
}
