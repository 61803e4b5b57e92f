using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// B batch, T tokens (batch-major), D width, F = 4·D hidden width of the FFN.

/// <summary>A pre-LayerNorm residual block: attention, then one FFN or a mixture of experts.</summary>
internal static class TransformerBlock
{
    /// <summary>
    /// QuickGELU is x·σ(1.702·x) = SiLU(1.702·x)/1.702: one operation, with both factors folded into the products around it.
    /// </summary>
    private const float Gelu = 1.702f;

    /// <summary>[T, D] → [T, D].</summary>
    public static Tensor Forward(Tensor x_TD, BlockParameters w, int batch, int heads, bool causal, Routing? routing)
    {
        using var scope = NewDisposeScope();
        x_TD = x_TD.Plus(Attention.Forward(LayerNorm(x_TD, w.Ln1), w, batch, heads, causal));
        var h_TD = LayerNorm(x_TD, w.Ln2);
        x_TD = x_TD.Plus(w.Ffn is null ? MixtureOfExperts.Forward(h_TD, w, routing!) : Ffn(h_TD, w.Ffn));
        return x_TD.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The last block, at one token per item: [T, D] → [B, D]. Routers still decide for every token, since their balance is of interest.
    /// </summary>
    /// <param name="rows_B">Row of each item's token.</param>
    /// <param name="hidden_B11L">See <see cref="Attention.Pooled"/>.</param>
    public static Tensor Pooled(
        Tensor x_TD, BlockParameters w, int batch, int heads, bool causal, Tensor rows_B, Tensor? hidden_B11L, Routing? routing)
    {
        using var scope = NewDisposeScope();
        Tensor x_BD, y_BD;
        if (w.Ffn is null)
        {
            x_TD = x_TD.Plus(Attention.Forward(LayerNorm(x_TD, w.Ln1), w, batch, heads, causal));
            x_BD = x_TD.index_select(0, rows_B);
            y_BD = MixtureOfExperts.Forward(LayerNorm(x_TD, w.Ln2), w, routing!, rows_B);
        }
        else
        {
            x_BD = x_TD.index_select(0, rows_B).Plus(Attention.Pooled(LayerNorm(x_TD, w.Ln1), w, heads, rows_B, hidden_B11L));
            y_BD = Ffn(LayerNorm(x_BD, w.Ln2), w.Ffn);
        }

        return x_BD.Plus(y_BD).MoveToOuterDisposeScope();
    }

    public static Tensor LayerNorm(Tensor x_TD, LayerNormParameters w) => nn.functional.layer_norm(x_TD, w.Shape, w.W_D, w.B_D);

    /// <summary>c_proj(QuickGELU(c_fc(x))).</summary>
    /// <param name="dropout">Applied between the two.</param>
    public static Tensor Ffn(Tensor x_TD, FfnParameters w, Dropout? dropout = null)
    {
        var h_TF = w.Fc.B_O.addmm(x_TD, w.Fc.W_IO, Gelu, Gelu).silu();
        dropout?.Drop(h_TF);
        return w.Proj.B_O.addmm(h_TF, w.Proj.W_IO, 1, dropout is null ? 1 / Gelu : (float)(1 / (Gelu * dropout.Kept)));
    }
}
