using ClipMoe.Model.Moe;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// B batch, L positions, T = B·L tokens (batch-major), D width, H heads, A = D/H width of a head, F = 4·D hidden width of the FFN.

/// <summary>A pre-LayerNorm residual block: attention, then one FFN or a mixture of experts.</summary>
internal static class TransformerBlock
{
    /// <summary>QuickGELU is x·σ(1.702·x) = SiLU(1.702·x)/1.702: one operation, with both factors folded into the products around it.</summary>
    private const float Gelu = 1.702f;

    public static Tensor Forward(Tensor x_TD, BlockParameters w, int batch, int heads, bool causal, Routing? routing)
    {
        using var scope = NewDisposeScope();
        var y_TD = x_TD + Attention(LayerNorm(x_TD, w.Ln1), w, batch, heads, causal);
        var h_TD = LayerNorm(y_TD, w.Ln2);
        y_TD = y_TD + (w.Ffn is null ? MixtureOfExperts.Forward(h_TD, w, routing!) : Ffn(h_TD, w.Ffn));
        return y_TD.MoveToOuterDisposeScope();
    }

    public static Tensor LayerNorm(Tensor x_TD, LayerNormParameters w) => nn.functional.layer_norm(x_TD, w.Shape, w.W_D, w.B_D);

    /// <summary>c_proj(QuickGELU(c_fc(x))), with dropout between the two where a mask is given.</summary>
    public static Tensor Ffn(Tensor x_TD, FfnParameters w, Tensor? dropout_TF = null)
    {
        var h_TF = w.Fc.B_O.addmm(x_TD, w.Fc.W_IO, Gelu, Gelu).silu();
        if (dropout_TF is not null) h_TF = h_TF * dropout_TF;
        return w.Proj.B_O.addmm(h_TF, w.Proj.W_IO, 1, 1 / Gelu);
    }

    private static Tensor Attention(Tensor x_TD, BlockParameters w, int batch, int heads, bool causal)
    {
        var width = x_TD.shape[1];
        var qkv_3BHLA = Linear(x_TD, w.InProj).view(batch, -1, 3, heads, width / heads).permute(2, 0, 3, 1, 4).unbind(0);
        var o_BHLA = nn.functional.scaled_dot_product_attention(qkv_3BHLA[0], qkv_3BHLA[1], qkv_3BHLA[2], is_casual: causal);
        return Linear(o_BHLA.transpose(1, 2).reshape(-1, width), w.OutProj);
    }

    private static Tensor Linear(Tensor x_TI, LinearParameters w) => w.B_O.addmm(x_TI, w.W_IO);
}
