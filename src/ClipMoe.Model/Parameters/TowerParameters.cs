using ClipMoe.Model.Architecture;
using static TorchSharp.torch;

namespace ClipMoe.Model.Parameters;

// Views of a replica's flat buffer, in the shapes that the forward pass uses. Matrices that multiply activations from the right are stored
// transposed, as [in, out] with the strides of the state dict's [out, in]: x·W needs no transposition node in the graph.
// D width, C common space of images and texts, F hidden width of the FFN, E experts, L positions.

/// <summary>x·<paramref name="W_IO"/> + <paramref name="B_O"/>.</summary>
internal sealed record LinearParameters(Tensor W_IO, Tensor B_O)
{
    public Tensor Apply(Tensor x_TI) => B_O.addmm(x_TI, W_IO);
}

internal sealed record LayerNormParameters(Tensor W_D, Tensor B_D, long[] Shape);

internal sealed record FfnParameters(LinearParameters Fc, LinearParameters Proj);

/// <summary>One residual block: attention and either one FFN, or a gate and experts.</summary>
/// <param name="InProj">Projects queries, keys and values; keys and values only where <paramref name="Query"/> is apart.</param>
/// <param name="Query">Projects queries in the last dense block, where one token per item asks; null in the others.</param>
internal sealed record BlockParameters(
    LayerNormParameters Ln1, LinearParameters InProj, LinearParameters? Query, LinearParameters OutProj, LayerNormParameters Ln2,
    FfnParameters? Ffn, Tensor? Gate_DE, FfnParameters[] Experts);

internal sealed record VisionParameters(
    Tensor Patch_PD, Tensor Class_D, Tensor Positions_LD, LayerNormParameters LnPre,
    BlockParameters[] Blocks, LayerNormParameters LnPost, Tensor Proj_DC);

/// <param name="PositionsRest_LD">Positions from <see cref="ClipConfig.KeptPositions"/> on, where the Long-CLIP stretch was made.</param>
internal sealed record TextParameters(
    TorchSharp.Modules.Embedding Tokens, Tensor Positions_LD, Tensor? PositionsRest_LD,
    BlockParameters[] Blocks, LayerNormParameters LnFinal, Tensor Proj_DC);
