using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace ClipMoe.Actors.Experiments;

/// <summary>An experiment as JSON, with the same snake_case keys as an experiment file.</summary>
public static class ExperimentJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    public static JsonObject Write(Experiment experiment) => JsonSerializer.SerializeToNode(experiment, Options)!.AsObject();

    /// <inheritdoc cref="Read"/>
    public static Experiment Parse(string json) => Read(JsonNode.Parse(json)?.AsObject()
        ?? throw new JsonException("the experiment is null."));

    /// <exception cref="JsonException">A key is missing or has a value of the wrong type.</exception>
    public static Experiment Read(JsonObject json) => json.Deserialize<Experiment>(Options)
        ?? throw new JsonException("the experiment is null.");
}
