using ClipMoe.Model.Architecture;
using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tensors;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

// B batch, L positions, T = B·L tokens (batch-major), D width, C common space of images and texts, P values of a patch.

/// <summary>The two towers: pixels or tokens to features, neither normalized.</summary>
internal static class Towers
{
    /// <summary>Image features [B, C]: the class token behind the last block, projected.</summary>
    public static Tensor Image(Replica replica, PixelBatch pixels, int rows, Routing? routing = null)
    {
        var config = replica.Layout.Config;
        var w = replica.Views.Vision;
        var patches_TP = pixels.ToPatches(rows, config, replica.Device).to(w.Patch_PD.dtype);
        var x_BLD = patches_TP.mm(w.Patch_PD).view(rows, -1, config.Vision.Width);
        x_BLD = cat([w.Class_D.expand(rows, 1, -1), x_BLD], 1).Plus(w.Positions_LD);
        var x_TD = TransformerBlock.LayerNorm(x_BLD.view(-1, config.Vision.Width), w.LnPre);
        foreach (var block in w.Blocks[..^1])
            x_TD = TransformerBlock.Forward(x_TD, block, rows, config.Vision.Heads, causal: false, routing);
        long[] classTokens = [.. Enumerable.Range(0, rows).Select(row => (long)row * config.VisionPositions)];
        var class_B = HostTensor.Create(classTokens, [rows], replica.Device);
        var x_BD = TransformerBlock.Pooled(x_TD, w.Blocks[^1], rows, config.Vision.Heads, causal: false, class_B, null, routing);
        return TransformerBlock.LayerNorm(x_BD, w.LnPost).mm(w.Proj_DC);
    }

    /// <summary>Text features [B, C]: the end-of-text token behind the last block, projected.</summary>
    public static Tensor Text(Replica replica, TokenBatch tokens, Routing? routing = null)
    {
        var config = replica.Layout.Config;
        var w = replica.Views.Text;
        var ids_BL = HostTensor.Create(tokens.Ids, [tokens.Rows, tokens.Length], replica.Device);
        var x_BLD = w.Tokens.forward(ids_BL).Plus(Positions(w, tokens.Length));
        var x_TD = x_BLD.view(-1, config.Text.Width);
        foreach (var block in w.Blocks[..^1])
            x_TD = TransformerBlock.Forward(x_TD, block, tokens.Rows, config.Text.Heads, causal: true, routing);
        var ends_B = HostTensor.Create([.. tokens.Ends.Select((end, row) => (long)row * tokens.Length + end)], [tokens.Rows],
            replica.Device);
        var behind_B11L = BehindTheEnd(tokens, x_TD);
        var x_BD = TransformerBlock.Pooled(x_TD, w.Blocks[^1], tokens.Rows, config.Text.Heads, causal: true, ends_B, behind_B11L, routing);
        return TransformerBlock.LayerNorm(x_BD, w.LnFinal).mm(w.Proj_DC);
    }

    /// <summary>
    /// −∞ at positions behind the end of their text, 0 elsewhere, [B, 1, 1, L]; null when every text ends at the last position.
    /// </summary>
    private static Tensor? BehindTheEnd(TokenBatch tokens, Tensor like)
    {
        if (tokens.Ends.All(end => end == tokens.Length - 1)) return null;
        var behind = new float[tokens.Rows * tokens.Length];
        for (var row = 0; row < tokens.Rows; row++)
            behind.AsSpan(row * tokens.Length, tokens.Length)[(tokens.Ends[row] + 1)..].Fill(float.NegativeInfinity);
        return HostTensor.Create(behind, [tokens.Rows, 1, 1, tokens.Length], like.device).to(like.dtype);
    }

    private static Tensor Positions(TextParameters w, int length)
    {
        const int kept = ClipConfig.KeptPositions;
        if (w.PositionsRest_LD is null || length <= kept) return w.Positions_LD.narrow(0, 0, length);
        return cat([w.Positions_LD.narrow(0, 0, kept), w.PositionsRest_LD.narrow(0, kept, length - kept)], 0);
    }
}
