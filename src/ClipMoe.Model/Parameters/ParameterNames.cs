using ClipMoe.Model.Architecture;

namespace ClipMoe.Model.Parameters;

/// <summary>How a parameter starts when a model is trained from scratch.</summary>
public enum InitialValues { Zeros, Ones, Normal, Uniform, Constant }

/// <summary>
/// Name, shape and initial distribution of one parameter. <paramref name="Scale"/> is the standard deviation of a normal, the bound of a
/// symmetric uniform distribution, or the constant.
/// </summary>
public sealed record ParameterSpec(string Name, IReadOnlyList<long> Shape, InitialValues Initial, double Scale = 0)
{
    public long Count { get; } = Shape.Aggregate(1L, (a, b) => checked(a * b));
}

/// <summary>
/// Every parameter of an architecture, named and ordered as the reference's <c>state_dict()</c>, with the initial distributions of
/// <c>CLIP.initialize_parameters</c> (text) and of PyTorch's module defaults (vision, biases, gates).
/// </summary>
public static class ParameterNames
{
    public const string LogitScale = "logit_scale";
    public const string Vision = "visual.";

    /// <summary>Largest value of <c>logit_scale</c> with InfoNCE.</summary>
    public const double MaxLogitScale = LossKinds.MaxLogitScale;

    public static IReadOnlyList<ParameterSpec> ForConfig(ClipConfig config)
    {
        var specs = new List<ParameterSpec>();
        var (vision, text) = (config.Vision, config.Text);
        var (visionScale, textScale) = (InverseRoot(vision.Width), InverseRoot(text.Width));
        Normal("positional_embedding", 0.01, config.ContextLength, text.Width);
        if (config.StretchedPositions) Normal("positional_embedding_res", 0.01, config.ContextLength, text.Width);
        Normal("text_projection", textScale, text.Width, config.EmbedDim);
        specs.AddRange(config.Loss.LogitParameters().Select(p => new ParameterSpec(p.Name, [], InitialValues.Constant, p.Initial)));
        Normal("visual.class_embedding", visionScale, vision.Width);
        Normal("visual.positional_embedding", visionScale, config.VisionPositions, vision.Width);
        Normal("visual.proj", visionScale, vision.Width, config.EmbedDim);
        Uniform("visual.conv1.weight", InverseRoot(3L * config.PatchSize * config.PatchSize), vision.Width, 3, config.PatchSize,
            config.PatchSize);
        LayerNorm("visual.ln_pre", vision.Width);
        Blocks("visual.transformer", vision);
        LayerNorm("visual.ln_post", vision.Width);
        Blocks("transformer", text);
        Normal("token_embedding.weight", 0.02, config.VocabularySize, text.Width);
        LayerNorm("ln_final", text.Width);
        return specs;

        void Blocks(string transformer, TowerConfig tower)
        {
            var firstMoe = tower.Layers - (config.Moe?.LayersOf(tower) ?? 0);
            for (var i = 0; i < tower.Layers; i++)
            {
                var block = $"{transformer}.resblocks.{i}";
                Attention(block, tower, transformer == "transformer");
                LayerNorm($"{block}.ln_1", tower.Width);
                if (i < firstMoe) Ffn($"{block}.mlp", tower, transformer == "transformer");
                else for (var e = 0; e < config.Moe!.Experts; e++) Ffn($"{block}.experts.{e}", tower, transformer == "transformer");
                LayerNorm($"{block}.ln_2", tower.Width);
                if (i >= firstMoe) Uniform($"{block}.gate.weight", InverseRoot(tower.Width), config.Moe!.Experts, tower.Width);
            }
        }

        void Attention(string block, TowerConfig tower, bool text)
        {
            int width = tower.Width;
            if (text) Normal($"{block}.attn.in_proj_weight", InverseRoot(width), 3 * width, width);
            else Uniform($"{block}.attn.in_proj_weight", Math.Sqrt(6.0 / (4 * width)), 3 * width, width);
            Zeros($"{block}.attn.in_proj_bias", 3 * width);
            if (text) Normal($"{block}.attn.out_proj.weight", ResidualScale(tower), width, width);
            else Uniform($"{block}.attn.out_proj.weight", InverseRoot(width), width, width);
            Zeros($"{block}.attn.out_proj.bias", width);
        }

        void Ffn(string ffn, TowerConfig tower, bool text)
        {
            int width = tower.Width;
            if (text) Normal($"{ffn}.c_fc.weight", InverseRoot(2L * width), 4 * width, width);
            else Uniform($"{ffn}.c_fc.weight", InverseRoot(width), 4 * width, width);
            Uniform($"{ffn}.c_fc.bias", InverseRoot(width), 4 * width);
            if (text) Normal($"{ffn}.c_proj.weight", ResidualScale(tower), width, 4 * width);
            else Uniform($"{ffn}.c_proj.weight", InverseRoot(4L * width), width, 4 * width);
            Uniform($"{ffn}.c_proj.bias", InverseRoot(4L * width), width);
        }

        void LayerNorm(string name, long width)
        {
            specs.Add(new ParameterSpec($"{name}.weight", [width], InitialValues.Ones));
            Zeros($"{name}.bias", width);
        }

        void Normal(string name, double deviation, params long[] shape) =>
            specs.Add(new ParameterSpec(name, shape, InitialValues.Normal, deviation));
        void Uniform(string name, double bound, params long[] shape) =>
            specs.Add(new ParameterSpec(name, shape, InitialValues.Uniform, bound));
        void Zeros(string name, params long[] shape) => specs.Add(new ParameterSpec(name, shape, InitialValues.Zeros));
    }

    /// <summary>The block number in a name like <c>visual.transformer.resblocks.3.mlp.c_fc.bias</c>; −1 outside the blocks.</summary>
    public static int BlockOf(string name)
    {
        const string marker = "resblocks.";
        var at = name.IndexOf(marker, StringComparison.Ordinal);
        if (at < 0) return -1;
        var number = name.AsSpan(at + marker.Length);
        return int.Parse(number[..number.IndexOf('.')]);
    }

    private static double InverseRoot(long n) => 1 / Math.Sqrt(n);

    private static double ResidualScale(TowerConfig tower) => InverseRoot(tower.Width) * InverseRoot(2L * tower.Layers);
}
