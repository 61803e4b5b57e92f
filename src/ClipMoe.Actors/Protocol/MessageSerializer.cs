using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Akka.Actor;
using Akka.Serialization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Clustering;

namespace ClipMoe.Actors.Protocol;

/// <summary>
/// Everything that travels between processes, as JSON under stable manifests from a closed list: no type name is ever read from the wire.
/// </summary>
public sealed class MessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>
    /// Under these names messages cross the network. A name stays when its type is renamed, and is never used for something else; of the
    /// members and values of messages the same is true, and what was once written is recorded in the tests.
    /// </summary>
    private static readonly (string Manifest, Type Type)[] Known =
    [
        ("WorkerHello", typeof(WorkerHello)),
        ("WorkerWelcome", typeof(WorkerWelcome)),
        ("WorkerDismissed", typeof(WorkerDismissed)),
        ("OpenExperiment", typeof(OpenExperiment)),
        ("ExperimentOpened", typeof(ExperimentOpened)),
        ("ExperimentRefused", typeof(ExperimentRefused)),
        ("NodeHello", typeof(NodeHello)),
        ("FileServers", typeof(FileServers)),
        ("GetMembership", typeof(GetMembership)),
        ("ClusterMembership", typeof(ClusterMembership)),
        ("WorkFailed", typeof(WorkFailed)),
        ("WorkAborted", typeof(WorkAborted)),
        ("JoinStage", typeof(JoinStage)),
        ("StageJoined", typeof(StageJoined)),
        ("OpenGeneration", typeof(OpenGeneration)),
        ("PlanStep", typeof(ComputeStep)),
        ("GradientReady", typeof(GradientReady)),
        ("CommitStep", typeof(CommitStep)),
        ("StateReached", typeof(StateReached)),
        ("CheckpointWritten", typeof(CheckpointWritten)),
        ("CheckpointNotCopied", typeof(CheckpointNotCopied)),
        ("WriteCheckpoint", typeof(WriteCheckpoint)),
        ("LeaveStage", typeof(LeaveStage)),
        ("StageLeft", typeof(StageLeft)),
        ("ExchangeBroke", typeof(ExchangeBroke)),
        ("CopyFailed", typeof(CopyFailed)),
        ("AbandonGeneration", typeof(AbandonGeneration)),
        ("StillHere", typeof(StillHere)),
        ("GenerationAbandoned", typeof(GenerationAbandoned)),
        ("PrepareDataSet", typeof(PrepareDataSet)),
        ("PreparationProgress", typeof(PreparationProgress)),
        ("DataSetPrepared", typeof(DataSetPrepared)),
        ("ExtractShard", typeof(ExtractShard)),
        ("ShardReady", typeof(ShardReady)),
        ("EvaluateModel", typeof(EvaluateModel)),
        ("ModelEvaluated", typeof(ModelEvaluated)),
        ("BuildMoe", typeof(BuildMoe)),
        ("ImportModel", typeof(ImportModel)),
        ("ModelBuilt", typeof(ModelBuilt)),
        ("AssignShards", typeof(AssignShards)),
        ("ShardsAssigned", typeof(ShardsAssigned)),
        ("SeedCentroids", typeof(SeedCentroids)),
        ("CentroidsSeeded", typeof(CentroidsSeeded)),
        ("AccumulateClusters", typeof(AccumulateClusters)),
        ("ClustersAccumulated", typeof(ClustersAccumulated)),
        ("FetchRows", typeof(FetchRows)),
        ("RowsFetched", typeof(RowsFetched)),
        ("LabelShard", typeof(LabelShard)),
        ("ShardLabelled", typeof(ShardLabeled)),
        ("SubmitExperiment", typeof(SubmitExperiment)),
        ("ExperimentSubmitted", typeof(ExperimentSubmitted)),
        ("GetStatus", typeof(GetStatus)),
        ("ClusterStatus", typeof(ClusterStatus)),
        ("WatchExperiment", typeof(WatchExperiment)),
        ("ExperimentEnded", typeof(ExperimentEnded)),
        ("ControlExperiment", typeof(ControlExperiment)),
        ("DrainWorker", typeof(DrainWorker)),
        ("WorkerRetires", typeof(WorkerRetires)),
        ("ScaleWorkers", typeof(ScaleWorkers)),
        ("CommandDone", typeof(CommandDone)),
        ("CommandRefused", typeof(CommandRefused)),
        ("RunStarted", typeof(RunStarted)),
        ("StageStartedEvent", typeof(StageStartedEvent)),
        ("StageProgress", typeof(StageProgress)),
        ("StageFinished", typeof(StageCompletedEvent)),
        ("ModelMeasured", typeof(ModelMeasured)),
        ("CheckpointSaved", typeof(CheckpointSaved)),
        ("RunPaused", typeof(RunPaused)),
        ("RunWarning", typeof(RunWarning)),
        ("RunEnded", typeof(RunEnded)),
    ];

    private static readonly Dictionary<string, Type> Types = Known.ToDictionary(k => k.Manifest, k => k.Type);

    private static readonly Dictionary<Type, string> Manifests = Known.ToDictionary(k => k.Type, k => k.Manifest);

    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new FloatsConverter(), new CentroidsConverter(), new JsonStringEnumConverter() },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <summary>All messages there are, for tests and for the configuration that binds them to this serializer.</summary>
    public static IEnumerable<Type> Messages => Manifests.Keys;

    public override int Identifier => 7302;

    public override string Manifest(object o) => Manifests.TryGetValue(o.GetType(), out var manifest)
        ? manifest
        : throw new ArgumentException($"{o.GetType().Name} is no message between processes");

    public override byte[] ToBinary(object obj) => JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), Json);

    /// <exception cref="System.Runtime.Serialization.SerializationException">The manifest is not one of ours.</exception>
    public override object FromBinary(byte[] bytes, string manifest) => Types.TryGetValue(manifest, out var type)
        ? JsonSerializer.Deserialize(bytes, type, Json) ?? throw new JsonException($"an empty {manifest}")
        : throw new System.Runtime.Serialization.SerializationException($"'{manifest}' is no message that this version knows");

    /// <summary>Floats as their bytes: exact, and a third of the digits.</summary>
    private sealed class FloatsConverter : JsonConverter<float[]>
    {
        public override float[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var bytes = reader.GetBytesFromBase64();
            if (bytes.Length % sizeof(float) != 0) throw new JsonException("these bytes are no floats");
            return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        }

        public override void Write(Utf8JsonWriter writer, float[] value, JsonSerializerOptions options) =>
            writer.WriteBase64StringValue(MemoryMarshal.AsBytes(value.AsSpan()));
    }

    private sealed class CentroidsConverter : JsonConverter<Centroids>
    {
        private sealed record Content(float[] Values, int Dimension);

        public override Centroids? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            JsonSerializer.Deserialize<Content>(ref reader, options) is { } content ? new Centroids(content.Values, content.Dimension)
            : null;

        public override void Write(Utf8JsonWriter writer, Centroids value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, new Content(value.Values.ToArray(), value.Dimension), options);
    }
}

/// <summary>Stands in for Akka's own JSON serializer, which would make whatever type a message from the network names.</summary>
public sealed class RefusingSerializer : Serializer
{
    /// <param name="settings">Akka hands it the settings of the serializer that this one replaces.</param>
    public RefusingSerializer(ExtendedActorSystem system, Akka.Configuration.Config settings)
        : base(system)
    {
        _ = settings;
    }

    /// <summary>The number of the serializer that this one replaces, so that what strangers send with it ends here.</summary>
    public override int Identifier => 1;

    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) =>
        throw new System.Runtime.Serialization.SerializationException(
        $"{obj.GetType().Name} is no message between processes: add it to MessageSerializer");

    public override object FromBinary(byte[] bytes, Type? type) =>
        throw new System.Runtime.Serialization.SerializationException("a message of an unknown kind was refused");
}
