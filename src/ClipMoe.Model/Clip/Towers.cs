using ClipMoe.Model.Moe;
using ClipMoe.Model.Parameters;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// B batch, L positions, T = B·L tokens (batch-major), D width, C common space of images and texts, P values of a patch.

/// <summary>The two towers: pixels or tokens to features, neither normalised.</summary>
internal static class Towers
{
    /// <summary>Image features [B, C]: the class token behind the last block, projected.</summary>
    public static Tensor Image(Replica replica, PixelBatch pixels, int rows, Routing? routing = null)
    {
        var config = replica.Layout.Config;
        var w = replica.Views.Vision;
        var patches_TP = pixels.ToPatches(rows, config, replica.Device).to(w.Patch_PD.dtype);
        var x_BLD = patches_TP.mm(w.Patch_PD).view(rows, -1, config.Vision.Width);
        x_BLD = cat([w.Class_D.expand(rows, 1, -1), x_BLD], 1) + w.Positions_LD;
        var x_TD = TransformerBlock.LayerNorm(x_BLD.view(-1, config.Vision.Width), w.LnPre);
        foreach (var block in w.Blocks) x_TD = TransformerBlock.Forward(x_TD, block, rows, config.Vision.Heads, causal: false, routing);
        var class_BD = x_TD.view(rows, -1, config.Vision.Width).select(1, 0);
        return TransformerBlock.LayerNorm(class_BD, w.LnPost).mm(w.Proj_DC);
    }

    /// <summary>Text features [B, C]: the end-of-text token behind the last block, projected.</summary>
    public static Tensor Text(Replica replica, TokenBatch tokens, Routing? routing = null)
    {
        var config = replica.Layout.Config;
        var w = replica.Views.Text;
        var ids_BL = HostTensor.Of(tokens.Ids, [tokens.Rows, tokens.Length], replica.Device);
        var x_BLD = w.Tokens.forward(ids_BL) + Positions(w, tokens.Length);
        var x_TD = x_BLD.view(-1, config.Text.Width);
        foreach (var block in w.Blocks) x_TD = TransformerBlock.Forward(x_TD, block, tokens.Rows, config.Text.Heads, causal: true, routing);
        var ends_B = HostTensor.Of([.. tokens.Ends.Select((end, row) => (long)row * tokens.Length + end)], [tokens.Rows], replica.Device);
        return TransformerBlock.LayerNorm(x_TD.index_select(0, ends_B), w.LnFinal).mm(w.Proj_DC);
    }

    private static Tensor Positions(TextParameters w, int length)
    {
        const int kept = ClipConfig.KeptPositions;
        if (w.PositionsRest_LD is null || length <= kept) return w.Positions_LD.narrow(0, 0, length);
        return cat([w.Positions_LD.narrow(0, 0, kept), w.PositionsRest_LD.narrow(0, kept, length - kept)], 0);
    }
}
