using System.Text.Json;
using System.Text.Json.Serialization;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Nodes.Commands.Inspect;

/// <summary>Describes a checkpoint: architecture, parameter counts, element types, provenance.</summary>
internal static class CheckpointInspection
{
    private static readonly JsonSerializerOptions JsonOptions = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter() },
    };

    public static void Print(string path, bool json, bool listTensors)
    {
        using var file = TensorFile.Open(path);
        var summary = CheckpointSummary.Create(file);
        Console.WriteLine(json ? Json(file, summary) : string.Join(Environment.NewLine, Lines(file, summary, listTensors)));
    }

    private static string Json(ITensorFile file, CheckpointSummary summary) => JsonSerializer.Serialize(
        new
        {
            file.Path,
            Bytes = new FileInfo(file.Path).Length,
            Sha256 = TensorFile.Sha256(file),
            Kind = Kind(summary),
            summary.Config,
            summary.TopKIsAssumed,
            summary.Parameters,
            Types = summary.Types.ToDictionary(t => t.Key.ToString(), t => t.Value),
            summary.Provenance,
            Tensors = file.Tensors.Select(t => new { t.Name, t.Type, t.Shape }),
        },
        JsonOptions);

    private static IEnumerable<string> Lines(ITensorFile file, CheckpointSummary summary, bool listTensors)
    {
        yield return $"{file.Path}: {Description(summary)}, {new FileInfo(file.Path).Length / 1e6:0.0} MB";
        yield return Line("sha256", TensorFile.Sha256(file));
        foreach (var line in summary.Config is { } config ? Architecture(config, summary.TopKIsAssumed) : []) yield return line;
        var counts = summary.Parameters;
        var parts = summary.Config is null ? "" : $": image {counts.Image:n0}, text {counts.Text:n0}"
            + (summary.Config.Moe is null ? "" : $"; of these experts {counts.Experts:n0}, routers {counts.Routers:n0}");
        yield return Line("parameters", $"{counts.Total:n0} in {Amount(file.Tensors.Count, "tensor")}{parts}");
        yield return Line("types", string.Join(", ", summary.Types.Select(t => $"{t.Key} {t.Value:n0}")));
        yield return Line("provenance", Provenance(summary.Provenance));
        if (!listTensors && summary.Config is not null) yield break;
        foreach (var tensor in file.Tensors) yield return $"  {tensor.Type,-4} {tensor.ShapeText,-20} {Printable.Clean(tensor.Name)}";
    }

    private static IEnumerable<string> Architecture(ClipConfig config, bool topKIsAssumed)
    {
        var (vision, text) = (config.Vision, config.Text);
        yield return Line("images", $"{config.ImageResolution} px in patches of {config.PatchSize}, {Tower(vision)}");
        var stretched = config.StretchedPositions ? " (stretched)" : "";
        yield return Line("texts", $"{config.ContextLength} positions{stretched}, {config.VocabularySize:n0} tokens, {Tower(text)}");
        yield return Line("embedding", config.EmbedDim.ToString());
        if (config.Moe is not { } moe) yield break;
        var layers = $"in the last {moe.LayersOf(vision)} image and {moe.LayersOf(text)} text blocks";
        yield return Line("experts", $"{moe.Experts}, top-{moe.TopK}{(topKIsAssumed ? " assumed" : "")}, {layers}");
    }

    private static string Tower(TowerConfig tower) =>
        $"{Amount(tower.Layers, "block")}, width {tower.Width}, {Amount(tower.Heads, "head")}";

    private static string Provenance(Provenance? provenance) => provenance is null ? "not recorded" : string.Join(", ",
        new[]
        {
            provenance.Stage is { } stage ? $"stage {Printable.Clean(stage)}" : null,
            provenance.Step is { } step ? $"step {step:n0}" : null,
            provenance.ExperimentHash is { } experiment ? $"experiment {Printable.Clean(experiment)}" : null,
            provenance.BaseSha256 is { } sha256 ? $"from the file with SHA-256 {Printable.Clean(sha256)}" : null,
        }.OfType<string>());

    private static string Description(CheckpointSummary summary) => Kind(summary) switch
    {
        "moe" => "CLIP-MoE",
        "dense" => "dense CLIP",
        _ => "tensors, but no CLIP",
    };

    private static string Kind(CheckpointSummary summary) => summary.Config is null ? "tensors" : summary.Config.Moe is null ? "dense"
        : "moe";

    private static string Amount(int count, string what) => count == 1 ? $"1 {what}" : $"{count:n0} {what}s";

    private static string Line(string what, string value) => $"  {what,-12}{value}";
}
