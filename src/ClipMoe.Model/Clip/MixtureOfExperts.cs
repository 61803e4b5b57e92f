using System.Runtime.InteropServices;
using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// T tokens, D width, E experts, K experts per token, S = T·K (token, expert) pairs sorted by expert.

/// <summary>Sparse FFN: a router chooses K experts per token and weights their outputs.</summary>
internal static class MixtureOfExperts
{
    /// <summary>Σₖ wₖ·expertₖ(x), with experts and w as the router makes them of x·gate.</summary>
    /// <param name="x_TD">All tokens; routers decide, and are recorded, for each.</param>
    /// <param name="rows_B">The tokens that experts compute, without repetition; null for all.</param>
    /// <returns>[T, D], or [B, D] for chosen rows.</returns>
    public static Tensor Forward(Tensor x_TD, BlockParameters w, Routing routing, Tensor? rows_B = null)
    {
        var logits_TE = x_TD.mm(w.Gate_DE!);
        var (p_TE, chosen_TK, choices_TK) = routing.Router.Decide(logits_TE);
        var choices = ToHost(choices_TK);
        routing.Record(logits_TE, p_TE, choices);
        if (rows_B is not null)
        {
            (x_TD, chosen_TK) = (x_TD.index_select(0, rows_B), chosen_TK.index_select(0, rows_B));
            choices = ToHost(choices_TK.index_select(0, rows_B));
        }

        var weights_TK = routing.Router.Weights(chosen_TK).to(x_TD.dtype);
        return Mix(x_TD, weights_TK, DispatchPlan.Create(choices, w.Experts.Length), w.Experts, routing);
    }

    private static Tensor Mix(Tensor x_TD, Tensor weights_TK, DispatchPlan plan, FfnParameters[] experts, Routing routing)
    {
        ReadOnlySpan<long> pairs = [plan.Pairs.Length];
        var pairs_S = HostTensor.Create(plan.Pairs, pairs, x_TD.device);
        var tokens_S = HostTensor.Create([.. plan.Pairs.Select(p => p / routing.TopK)], pairs, x_TD.device);
        var commutes = AdditionsCommute(x_TD, routing.TopK);
        var x_SD = commutes ? x_TD.index_select(0, tokens_S) : Repeat(x_TD, routing.TopK).index_select(0, pairs_S);
        var y_SD = Experts(x_SD, plan.Counts, experts, routing.Dropout);
        if (commutes) return zeros_like(x_TD).AddRowsInPlace(tokens_S, y_SD * weights_TK.view(-1, 1).index_select(0, pairs_S));
        var y_TKD = y_SD.index_select(0, HostTensor.Create(plan.Places, pairs, x_TD.device)).view(-1, routing.TopK, x_TD.shape[1]);
        return (y_TKD * weights_TK.unsqueeze(2)).sum([1L]);
    }

    /// <summary>Each expert on its run of rows.</summary>
    private static Tensor Experts(Tensor x_SD, long[] counts, FfnParameters[] experts, Dropout? dropout)
    {
        var outputs = new List<Tensor>(experts.Length);
        var inputs = x_SD.split(counts);
        for (var e = 0; e < experts.Length; e++) if (counts[e] > 0) outputs.Add(TransformerBlock.Ffn(inputs[e], experts[e], dropout));
        return cat(outputs, 0);
    }

    /// <summary>
    /// A GPU adds rows with the same index in any order: with at most two to a sum that cannot matter; with more, each row must be
    /// gathered once.
    /// </summary>
    private static bool AdditionsCommute(Tensor x, int topK) => topK <= 2 || x.device_type == DeviceType.CPU;

    private static Tensor Repeat(Tensor x_TD, int times) => x_TD.unsqueeze(1).expand(-1, times, -1).reshape(-1, x_TD.shape[1]);

    private static long[] ToHost(Tensor choices_TK) => MemoryMarshal.Cast<byte, long>(choices_TK.cpu().bytes).ToArray();
}

/// <summary>The order in which (token, expert) pairs are computed: by expert, within an expert by token.</summary>
/// <param name="Pairs">[S]: the pair (token·K + rank) at each place.</param>
/// <param name="Places">[S]: the place of each pair.</param>
/// <param name="Counts">[E]: pairs of each expert.</param>
internal sealed record DispatchPlan(long[] Pairs, long[] Places, long[] Counts)
{
    public static DispatchPlan Create(ReadOnlySpan<long> choices_TK, int experts)
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
