using ClipMoe.Model.Architecture;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Checkpoints;

/// <summary>Tells the architecture from a checkpoint's names and shapes, as the reference's <c>build_model</c> does.</summary>
public static class CheckpointConfig
{
    /// <summary>Width of an attention head in every CLIP of OpenAI's; the tensors do not show it.</summary>
    private const int HeadWidth = 64;

    private const int DefaultTopK = 2, LargestSize = 1 << 24;

    private const string VisionBlocks = "visual.transformer.resblocks.", TextBlocks = "transformer.resblocks.";

    /// <summary>Whether the file holds a CLIP with a vision transformer, right or wrong, and not some other tensors.</summary>
    public static bool IsClip(ITensorFile file) => file.TryGet("visual.proj", out _);

    /// <summary>Whether the file tells how many experts a token takes: no shape shows it, only our own metadata.</summary>
    public static bool SaysTopK(ITensorFile file) => CheckpointMetadata.Config(file)?.Moe is not null;

    /// <summary>
    /// The architecture. Heads and top-k are in no shape: they come from our own metadata where the file has it; otherwise heads are 64
    /// wide, and top-k is 2.
    /// </summary>
    /// <param name="file">A checkpoint.</param>
    /// <param name="topK">Experts per token, if the caller knows better than the file.</param>
    /// <exception cref="UserErrorException">It is no CLIP with a vision transformer, its shapes contradict each other or its
    /// metadata.</exception>
    public static ClipConfig Infer(ITensorFile file, int? topK = null)
    {
        if (!IsClip(file)) throw Refused(file, WhyNoVisionTransformer(file));
        var convolution = Shape(file, "visual.conv1.weight", 4);
        var (visionWidth, patch) = (convolution[0], convolution[3]);
        Shape(file, "visual.conv1.weight", 4, visionWidth, 3, patch);
        var textWidth = Shape(file, "ln_final.weight", 1)[0];
        var embed = Shape(file, "text_projection", 2, textWidth)[1];
        Shape(file, "visual.proj", 2, visionWidth, embed);
        var vision = new TowerConfig(visionWidth, Layers(file, VisionBlocks), Math.Max(1, visionWidth / HeadWidth));
        var text = new TowerConfig(textWidth, Layers(file, TextBlocks), Math.Max(1, textWidth / HeadWidth));
        var grid = Grid(file, Rows(file, "visual.positional_embedding", visionWidth));
        var inferred = new ClipConfig
        {
            EmbedDim = embed,
            ImageResolution = patch * grid,
            PatchSize = patch,
            Vision = vision,
            Text = text,
            ContextLength = Rows(file, "positional_embedding", textWidth),
            VocabularySize = Rows(file, "token_embedding.weight", textWidth),
            StretchedPositions = file.TryGet("positional_embedding_res", out _),
            Loss = LossKinds.Of(name => file.TryGet(name, out _)),
            Moe = Moe(file, vision, text),
        };
        var config = CheckpointMetadata.Config(file) is { } claimed ? Confirmed(file, inferred, claimed) : inferred;
        foreach (var tower in (TowerConfig[])[config.Vision, config.Text])
        {
            if (tower.Heads < 1 || tower.Width % tower.Heads != 0)
                throw Refused(file, $"a width of {tower.Width} has no {tower.Heads} attention heads of equal size");
        }

        return config.Moe is null || topK is null ? config : config with { Moe = CheckedTopK(file, config.Moe with { TopK = topK.Value }) };
    }

    /// <summary>What the shapes cannot show is taken from the claim; all else must agree.</summary>
    private static ClipConfig Confirmed(ITensorFile file, ClipConfig inferred, ClipConfig claimed)
    {
        var completed = inferred with
        {
            Vision = inferred.Vision with { Heads = claimed.Vision.Heads },
            Text = inferred.Text with { Heads = claimed.Text.Heads },
            Moe = inferred.Moe is { } moe && claimed.Moe is not null ? CheckedTopK(file, moe with { TopK = claimed.Moe.TopK })
            : inferred.Moe,
        };
        return completed == claimed ? completed : throw Refused(file, "its metadata claims another architecture than its tensors show");
    }

    private static MoeConfig CheckedTopK(ITensorFile file, MoeConfig moe) => moe.TopK >= 1 && moe.TopK <= moe.Experts
        ? moe
        : throw Refused(file, $"top-{moe.TopK} of {moe.Experts} experts cannot be chosen");

    private static MoeConfig? Moe(ITensorFile file, TowerConfig vision, TowerConfig text)
    {
        var (visionGates, textGates) = (Gates(file, VisionBlocks, vision.Layers), Gates(file, TextBlocks, text.Layers));
        if (visionGates.Count + textGates.Count == 0) return null;
        var experts = visionGates.Concat(textGates).Select(g => g.Experts).Distinct().ToList();
        var layers = Math.Max(visionGates.Count, textGates.Count);
        var moe = new MoeConfig(experts[0], Math.Min(DefaultTopK, experts[0]), layers);
        if (experts.Count > 1 || !AreLast(visionGates, vision, moe) || !AreLast(textGates, text, moe))
            throw Refused(file, "its experts are not equally many in the last blocks of both towers");
        return moe;
    }

    private static bool AreLast(List<(int Block, int Experts)> gates, TowerConfig tower, MoeConfig moe) =>
        gates.Select(g => g.Block).SequenceEqual(Enumerable.Range(tower.Layers - moe.LayersOf(tower), moe.LayersOf(tower)));

    private static List<(int Block, int Experts)> Gates(ITensorFile file, string blocks, int layers) =>
        [.. Enumerable.Range(0, layers)
            .Where(i => file.TryGet($"{blocks}{i}.gate.weight", out _))
            .Select(i => (i, Shape(file, $"{blocks}{i}.gate.weight", 2)[0]))];

    private static int Layers(ITensorFile file, string blocks)
    {
        var layers = 0;
        while (file.TryGet($"{blocks}{layers}.attn.in_proj_weight", out _)) layers++;
        return layers > 0 ? layers : throw Refused(file, $"{blocks}0.attn.in_proj_weight is missing");
    }

    /// <summary>Patches along a side of the image; there is one more position, for the class.</summary>
    private static int Grid(ITensorFile file, int positions)
    {
        var grid = (int)Math.Round(Math.Sqrt(positions - 1));
        return grid > 0 && grid * grid == positions - 1
            ? grid
            : throw Refused(file, $"its {positions} vision positions are not a square of patches and one");
    }

    /// <summary>A tensor's shape, which must have this rank and begin with these sizes.</summary>
    private static int[] Shape(ITensorFile file, string name, int rank, params ReadOnlySpan<int> beginning)
    {
        if (!file.TryGet(name, out var info)) throw Refused(file, $"{name} is missing");
        if (info.Shape.Count != rank || info.Shape.Any(s => s is < 1 or > LargestSize))
            throw Refused(file, $"{name} has the shape {info.ShapeText}");
        int[] shape = [.. info.Shape.Select(s => (int)s)];
        return shape.AsSpan().StartsWith(beginning) ? shape
            : throw Refused(file, $"{name} has the shape {info.ShapeText}, which does not fit its other tensors");
    }

    private static int Rows(ITensorFile file, string name, int width)
    {
        var shape = Shape(file, name, 2);
        Shape(file, name, 2, shape[0], width);
        return shape[0];
    }

    private static string WhyNoVisionTransformer(ITensorFile file)
    {
        if (Begins("visual.layer1.")) return "its image tower is a ResNet";
        return Begins("vision_model.") ? "it has the tensor names of Hugging Face's transformers" : "visual.proj is missing";

        bool Begins(string prefix) => file.Tensors.Any(t => t.Name.StartsWith(prefix, StringComparison.Ordinal));
    }

    private static UserErrorException Refused(ITensorFile file, string why) =>
        new($"{file.Path} is no CLIP that ClipMoe knows (a vision transformer with OpenAI's tensor names): {why}.");
}
