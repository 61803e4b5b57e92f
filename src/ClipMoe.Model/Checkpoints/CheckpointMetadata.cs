using System.Text.Json;
using System.Text.Json.Serialization;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Checkpoints;

/// <summary>Where a checkpoint comes from; each part is null when it is not known.</summary>
/// <param name="BaseSha256">SHA-256 of the dense checkpoint file that everything began with, in lower-case hexadecimal.</param>
/// <param name="ExperimentHash">Hash of the experiment that trained it.</param>
/// <param name="Stage">Stage of the experiment, for instance <c>mcl-2</c> or <c>routers</c>.</param>
/// <param name="Step">Training steps of the stage that are in it.</param>
public sealed record Provenance(string? BaseSha256 = null, string? ExperimentHash = null, string? Stage = null, long? Step = null);

/// <summary>The texts beside the tensors of our checkpoints: architecture and provenance, as JSON.</summary>
public static class CheckpointMetadata
{
    private const string FormatKey = "format", ConfigKey = "config", ProvenanceKey = "provenance";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        IgnoreReadOnlyProperties = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>
    /// For a <see cref="TensorWriter"/>, which fills in the hash of the data where the format has a place for it. Hugging Face tools want
    /// <c>format: pt</c> as well.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Create(ClipConfig config, Provenance? provenance = null)
    {
        var metadata = new Dictionary<string, string> { [FormatKey] = "pt", [ConfigKey] = JsonSerializer.Serialize(config, Options) };
        if (provenance is not null) metadata[ProvenanceKey] = JsonSerializer.Serialize(provenance, Options);
        return WithDataHash(metadata);
    }

    /// <summary>Metadata of any other file that is to carry the hash of its data.</summary>
    public static IReadOnlyDictionary<string, string> WithDataHash(IReadOnlyDictionary<string, string> metadata) =>
        new Dictionary<string, string>(metadata) { [SafetensorsFile.DataHashKey] = "" };

    /// <summary>The architecture that the file claims; null when it claims none, as foreign files do.</summary>
    public static ClipConfig? Config(ITensorFile file) => Parse<ClipConfig>(file, ConfigKey);

    /// <summary>Null when the file says nothing about it.</summary>
    public static Provenance? Provenance(ITensorFile file) => Parse<Provenance>(file, ProvenanceKey);

    private static T? Parse<T>(ITensorFile file, string key) where T : class
    {
        if (!file.Metadata.TryGetValue(key, out var json)) return null;
        try
        {
            return JsonSerializer.Deserialize<T>(json, Options);
        }
        catch (JsonException e)
        {
            throw new UserErrorException($"the metadata \"{key}\" of {file.Path} is not what ClipMoe writes there.", e);
        }
    }
}
