using System.Text.RegularExpressions;

namespace ClipMoe.Model.TensorFiles;

/// <summary>
/// The reference passes every checkpoint through <c>convert_weights</c> when it loads it: weights and biases of Linear, Conv and attention
/// modules and the two projections are rounded to fp16, then cast to fp32. Embeddings and LayerNorms are not.
/// </summary>
public static partial class HalfRounding
{
    /// <summary>Whether the reference rounds the tensor of this state-dict name.</summary>
    public static bool Applies(string name) => Rounded().IsMatch(name);

    [GeneratedRegex(
        @"^(text_projection|visual\.proj|visual\.conv1\.weight|(visual\.)?transformer\.resblocks\.\d+\."
        + @"(attn\.(in_proj_|out_proj\.)(weight|bias)|(mlp|experts\.\d+)\.(c_fc|c_proj)\.(weight|bias)|gate\.weight))\z")]
    private static partial Regex Rounded();
}
