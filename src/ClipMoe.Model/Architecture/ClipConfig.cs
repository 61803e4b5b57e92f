using System.Text.Json.Serialization;

namespace ClipMoe.Model.Architecture;

/// <summary>One transformer: residual width, number of blocks, attention heads.</summary>
public sealed record TowerConfig(int Width, int Layers, int Heads);

/// <summary>
/// The last <paramref name="Layers"/> blocks of each tower have experts; a tower with fewer blocks has them in all of its blocks.
/// </summary>
public sealed record MoeConfig(int Experts, int TopK, int Layers)
{
    /// <summary>MoE blocks of a tower.</summary>
    public int LayersOf(TowerConfig tower) => Math.Min(Layers, tower.Layers);
}

/// <summary>Architecture of a CLIP or CLIP-MoE: everything that decides the names and shapes of its tensors, and top-k.</summary>
public sealed record ClipConfig
{
    /// <summary>
    /// Positions that the Long-CLIP stretch keeps as they were; behind them positions come from <c>positional_embedding_res</c>.
    /// </summary>
    public const int KeptPositions = 20;

    /// <summary>Width of the common space of images and texts.</summary>
    public required int EmbedDim { get; init; }
    /// <summary>Side of the square input image, in pixels.</summary>
    public required int ImageResolution { get; init; }
    public required int PatchSize { get; init; }
    public required TowerConfig Vision { get; init; }
    public required TowerConfig Text { get; init; }
    /// <summary>Text positions: 77 as OpenAI's, 248 after the stretch.</summary>
    public required int ContextLength { get; init; }
    public required int VocabularySize { get; init; }
    /// <summary>Whether there is a <c>positional_embedding_res</c> beside <c>positional_embedding</c>, as Long-CLIP has.</summary>
    public bool StretchedPositions { get; init; }
    /// <summary>The loss that the model is or was trained with. Files name it only where it is not InfoNCE.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public LossKind Loss { get; init; }
    /// <summary>Null for a dense CLIP.</summary>
    public MoeConfig? Moe { get; init; }

    /// <summary>Vision positions: the patches and the class token.</summary>
    public int VisionPositions => (ImageResolution / PatchSize) * (ImageResolution / PatchSize) + 1;

    /// <summary>Names that <see cref="Named"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = ["vit-b-32", "vit-b-16", "vit-l-14", "vit-l-14-336", "tiny", "scenes"];

    /// <summary>
    /// OpenAI's ViT configurations (context 77, before the stretch), and two of our own: <c>tiny</c> for tests, <c>scenes</c> for the
    /// embedded benchmark.
    /// </summary>
    /// <exception cref="UserErrorException">No configuration has that name.</exception>
    public static ClipConfig Named(string name) => name switch
    {
        "vit-b-32" => OpenAi(512, 224, 32, new TowerConfig(768, 12, 12), new TowerConfig(512, 12, 8)),
        "vit-b-16" => OpenAi(512, 224, 16, new TowerConfig(768, 12, 12), new TowerConfig(512, 12, 8)),
        "vit-l-14" => OpenAi(768, 224, 14, new TowerConfig(1024, 24, 16), new TowerConfig(768, 12, 12)),
        "vit-l-14-336" => OpenAi(768, 336, 14, new TowerConfig(1024, 24, 16), new TowerConfig(768, 12, 12)),
        "tiny" => Small(32, new TowerConfig(32, 2, 2)),
        "scenes" => Small(64, new TowerConfig(32, 4, 2)),
        _ => throw new UserErrorException($"there is no model \"{name}\": use one of {string.Join(", ", Names)}."),
    };

    private static ClipConfig OpenAi(int embed, int resolution, int patch, TowerConfig vision, TowerConfig text) => new()
    {
        EmbedDim = embed,
        ImageResolution = resolution,
        PatchSize = patch,
        Vision = vision,
        Text = text,
        ContextLength = 77,
        VocabularySize = 49408,
    };

    private static ClipConfig Small(int embed, TowerConfig tower) => new()
    {
        EmbedDim = embed,
        ImageResolution = 32,
        PatchSize = 8,
        Vision = tower,
        Text = tower,
        ContextLength = 64,
        VocabularySize = 512,
    };
}
