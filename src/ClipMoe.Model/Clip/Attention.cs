using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// B batch, L positions, T = B·L tokens (batch-major), D width, H heads, A = D/H width of a head, Z = B·H heads of the whole batch,
// M positions that ask: L, or 1 in the last block.

/// <summary>Multi-head attention as PyTorch's <c>MultiheadAttention</c>: projections with bias, softmax(q·kᵀ/√A)·v per head.</summary>
internal static class Attention
{
    /// <summary>Attention of all tokens, [T, D] → [T, D]; a token sees itself and those before it when <paramref name="causal"/>.</summary>
    public static Tensor Forward(Tensor x_TD, BlockParameters w, int batch, int heads, bool causal)
    {
        var width = x_TD.shape[1];
        var qkv_BL3HA = w.InProj.Apply(x_TD).view(batch, -1, 3, heads, width / heads);
        Tensor o_BHLA;
        if (PlainProducts(x_TD))
        {
            var (qkv_3ZLA, length) = (Heads(qkv_BL3HA), qkv_BL3HA.shape[1]);
            var hidden_1LL = causal ? ScalarOperations.Filled([1, length, length], float.NegativeInfinity, x_TD.dtype, x_TD.device)
                .triu_(1) : null;
            o_BHLA = Products(qkv_3ZLA[0], qkv_3ZLA[1], qkv_3ZLA[2], hidden_1LL).view(batch, heads, length, -1);
        }
        else
        {
            var qkv_3BHLA = qkv_BL3HA.permute(2, 0, 3, 1, 4).unbind(0);
            o_BHLA = nn.functional.scaled_dot_product_attention(qkv_3BHLA[0], qkv_3BHLA[1], qkv_3BHLA[2], is_casual: causal);
        }

        return w.OutProj.Apply(o_BHLA.transpose(1, 2).reshape(-1, width));
    }

    /// <summary>
    /// Attention of one token per item, [B, D], over its item's tokens: all that the last block's output needs, since nothing looks at its
    /// other tokens.
    /// </summary>
    /// <param name="rows_B">Row of each item's token in <paramref name="x_TD"/>.</param>
    /// <param name="hidden_B11L">−∞ at positions that the token must not see, 0 elsewhere; null when it sees all.</param>
    public static Tensor Pooled(Tensor x_TD, BlockParameters w, int heads, Tensor rows_B, Tensor? hidden_B11L)
    {
        var (batch, width) = (rows_B.shape[0], x_TD.shape[1]);
        var q_BD = w.Query!.Apply(x_TD.index_select(0, rows_B));
        var kv_BL2HA = w.InProj.Apply(x_TD).view(batch, -1, 2, heads, width / heads);
        Tensor o_BH1A;
        if (PlainProducts(x_TD))
        {
            var kv_2ZLA = Heads(kv_BL2HA);
            var hidden_Z1L = hidden_B11L?.expand(batch, heads, 1, -1).flatten(0, 1);
            o_BH1A = Products(q_BD.view(batch * heads, 1, -1), kv_2ZLA[0], kv_2ZLA[1], hidden_Z1L);
        }
        else
        {
            var kv_2BHLA = kv_BL2HA.permute(2, 0, 3, 1, 4).unbind(0);
            o_BH1A = nn.functional.scaled_dot_product_attention(q_BD.view(batch, heads, 1, -1), kv_2BHLA[0], kv_2BHLA[1], hidden_B11L);
        }

        return w.OutProj.Apply(o_BH1A.reshape(batch, width));
    }

    /// <summary>
    /// On a processor, libtorch's fused attention multiplies bf16 in fp32 and takes twice the time of plain bf16 products (four times for
    /// images); in fp32, and on a GPU, it is the faster one and keeps no L×L scores.
    /// </summary>
    private static bool PlainProducts(Tensor x) => x.dtype == ScalarType.BFloat16 && x.device_type == DeviceType.CPU;

    /// <summary>N tensors [Z, L, A] from [B, L, N, H, A].</summary>
    private static Tensor[] Heads(Tensor x_BLNHA)
    {
        var shape = x_BLNHA.shape;
        return x_BLNHA.permute(2, 0, 3, 1, 4).reshape(shape[2], shape[0] * shape[3], shape[1], shape[4]).unbind(0);
    }

    /// <param name="hidden_ZML">Added to the scores; null for nothing.</param>
    /// <returns>[Z, M, A].</returns>
    private static Tensor Products(Tensor q_ZMA, Tensor k_ZLA, Tensor v_ZLA, Tensor? hidden_ZML)
    {
        var scale = 1 / MathF.Sqrt(q_ZMA.shape[2]);
        // TorchSharp 0.107 takes the summand of baddbmm last: this is hidden + scale·q·kᵀ.
        var scores_ZML = hidden_ZML is null
            ? q_ZMA.Times(scale).bmm(k_ZLA.transpose(1, 2))
            : q_ZMA.baddbmm(k_ZLA.transpose(1, 2), hidden_ZML, beta: 1, alpha: scale);
        return scores_ZML.softmax(2).bmm(v_ZLA);
    }
}
