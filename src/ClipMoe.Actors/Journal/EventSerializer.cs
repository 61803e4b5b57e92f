using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Akka.Actor;
using Akka.Serialization;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Journal;

/// <summary>
/// Writes journal events as JSON under stable manifests from a closed list, which stands at their base types: no type name is ever read
/// from the journal.
/// </summary>
public sealed class EventSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly IReadOnlyList<JsonDerivedTypeAttribute> Known =
        [.. new[] { typeof(ExperimentEvent), typeof(SchedulerEvent) }.SelectMany(e => e.GetCustomAttributes<JsonDerivedTypeAttribute>())];

    public override int Identifier => 7301;

    public override string Manifest(object o) =>
        Known.FirstOrDefault(k => k.DerivedType == o.GetType())?.TypeDiscriminator as string
        ?? throw new ArgumentException($"{o.GetType().Name} is no journal event");

    public override byte[] ToBinary(object obj) => JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), EventJson.Default);

    public override object FromBinary(byte[] bytes, string manifest) => Read(bytes, manifest);

    /// <exception cref="InvalidDataException">The manifest is not one of ours.</exception>
    public static object Read(byte[] bytes, string manifest)
    {
        var type = Known.FirstOrDefault(k => manifest.Equals(k.TypeDiscriminator))?.DerivedType
            ?? throw new InvalidDataException(
            $"the journal holds an event '{manifest}' that this version does not know: use the version that wrote it");
        return JsonSerializer.Deserialize(bytes, type, EventJson.Default)
            ?? throw new InvalidDataException($"an empty '{manifest}' in the journal");
    }
}

// A loss that diverged is NaN and is a fact like any other.
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(ExperimentEvent))]
[JsonSerializable(typeof(SchedulerEvent))]
internal sealed partial class EventJson : JsonSerializerContext;
