using System.Text.Json;
using System.Text.Json.Serialization;
using Akka.Actor;
using Akka.Serialization;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Journal;

/// <summary>Writes journal events as JSON under stable manifests from a closed list: no type name is ever read from the journal.</summary>
public sealed class EventSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly (string Manifest, Type Type)[] Known =
    [
        ("accepted-1", typeof(ExperimentAccepted)),
        ("data-1", typeof(DataPrepared)),
        ("coordinator-1", typeof(CoordinatorStarted)),
        ("stage-started-1", typeof(StageStarted)),
        ("steps-planned-1", typeof(StepsPlanned)),
        ("steps-1", typeof(StepsCheckpointed)),
        ("checkpoint-damaged-1", typeof(CheckpointDamaged)),
        ("shard-1", typeof(ShardExtracted)),
        ("shard-damaged-1", typeof(ShardDamaged)),
        ("stage-completed-1", typeof(StageCompleted)),
        ("stage-damaged-1", typeof(StageDamaged)),
        ("stage-reset-1", typeof(StageReset)),
        ("completed-1", typeof(ExperimentCompleted)),
        ("manager-1", typeof(SchedulerStarted)),
        ("submitted-1", typeof(Submitted)),
        ("ended-1", typeof(Ended)),
        ("workers-1", typeof(WorkersScaled)),
        ("reopened-1", typeof(Reopened)),
        ("control-1", typeof(ControlWanted)),
        ("drained-1", typeof(WorkerDrained)),
    ];

    public override int Identifier => 7301;

    public override string Manifest(object o) =>
        Known.FirstOrDefault(k => k.Type == o.GetType()).Manifest ?? throw new ArgumentException($"{o.GetType().Name} is no journal event");

    public override byte[] ToBinary(object obj) => JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), EventJson.Default);

    public override object FromBinary(byte[] bytes, string manifest) => Read(bytes, manifest);

    /// <exception cref="InvalidDataException">The manifest is not one of ours.</exception>
    public static object Read(byte[] bytes, string manifest)
    {
        var type = Known.FirstOrDefault(k => k.Manifest == manifest).Type
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
[JsonSerializable(typeof(ExperimentAccepted))]
[JsonSerializable(typeof(DataPrepared))]
[JsonSerializable(typeof(CoordinatorStarted))]
[JsonSerializable(typeof(StageStarted))]
[JsonSerializable(typeof(StepsPlanned))]
[JsonSerializable(typeof(StepsCheckpointed))]
[JsonSerializable(typeof(CheckpointDamaged))]
[JsonSerializable(typeof(ShardExtracted))]
[JsonSerializable(typeof(ShardDamaged))]
[JsonSerializable(typeof(StageCompleted))]
[JsonSerializable(typeof(StageDamaged))]
[JsonSerializable(typeof(StageReset))]
[JsonSerializable(typeof(ExperimentCompleted))]
[JsonSerializable(typeof(SchedulerStarted))]
[JsonSerializable(typeof(Submitted))]
[JsonSerializable(typeof(Ended))]
[JsonSerializable(typeof(WorkersScaled))]
[JsonSerializable(typeof(Reopened))]
[JsonSerializable(typeof(ControlWanted))]
[JsonSerializable(typeof(WorkerDrained))]
internal sealed partial class EventJson : JsonSerializerContext;
