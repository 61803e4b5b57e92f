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
    /// <summary>The manifest of a message is its name here; a changed message gets a new one.</summary>
    private static readonly IReadOnlyDictionary<string, Type> Known = new[]
    {
        typeof(WorkerHello), typeof(WorkerWelcome), typeof(WorkerDismissed), typeof(OpenExperiment), typeof(ExperimentOpened), typeof(ExperimentRefused),
        typeof(NodeHello), typeof(FileServers), typeof(GetMembership), typeof(ClusterMembership), typeof(WorkFailed), typeof(WorkAborted),
        typeof(JoinStage), typeof(StageJoined), typeof(OpenGeneration), typeof(PlanStep), typeof(GradientReady), typeof(CommitStep), typeof(StateReached),
        typeof(CheckpointWritten), typeof(CheckpointNotCopied), typeof(WriteCheckpoint), typeof(LeaveStage), typeof(StageLeft), typeof(ExchangeBroke), typeof(CopyFailed),
        typeof(AbandonGeneration), typeof(StillHere), typeof(GenerationAbandoned),
        typeof(PrepareDataSet), typeof(PreparationProgress), typeof(DataSetPrepared), typeof(ExtractShard), typeof(ShardReady),
        typeof(EvaluateModel), typeof(ModelEvaluated), typeof(BuildMoe), typeof(ImportModel), typeof(ModelBuilt),
        typeof(AssignShards), typeof(ShardsAssigned), typeof(SeedCentroids), typeof(CentroidsSeeded), typeof(AccumulateClusters),
        typeof(ClustersAccumulated), typeof(FetchRows), typeof(RowsFetched), typeof(LabelShard), typeof(ShardLabelled),
        typeof(SubmitExperiment), typeof(ExperimentSubmitted), typeof(GetStatus), typeof(ClusterStatus), typeof(WatchExperiment), typeof(ExperimentEnded),
        typeof(ControlExperiment), typeof(DrainWorker), typeof(WorkerRetires), typeof(ScaleWorkers), typeof(CommandDone), typeof(CommandRefused),
        typeof(RunStarted), typeof(StageStartedEvent), typeof(StageProgress), typeof(StageFinished), typeof(ModelMeasured), typeof(CheckpointSaved),
        typeof(RunPaused), typeof(RunWarning), typeof(RunEnded),
    }.ToDictionary(t => t.Name);

    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new FloatsConverter(), new CentroidsConverter(), new JsonStringEnumConverter() },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <summary>All messages there are, for tests and for the configuration that binds them to this serializer.</summary>
    public static IEnumerable<Type> Messages => Known.Values;

    public override int Identifier => 7302;

    public override string Manifest(object o) => Known.ContainsKey(o.GetType().Name) && Known[o.GetType().Name] == o.GetType()
        ? o.GetType().Name
        : throw new ArgumentException($"{o.GetType().Name} is no message between processes");

    public override byte[] ToBinary(object obj) => JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), Json);

    /// <exception cref="System.Runtime.Serialization.SerializationException">The manifest is not one of ours.</exception>
    public override object FromBinary(byte[] bytes, string manifest) => Known.TryGetValue(manifest, out var type)
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
            JsonSerializer.Deserialize<Content>(ref reader, options) is { } content ? new Centroids(content.Values, content.Dimension) : null;

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
        throw new System.Runtime.Serialization.SerializationException($"{obj.GetType().Name} is no message between processes: add it to MessageSerializer");

    public override object FromBinary(byte[] bytes, Type? type) =>
        throw new System.Runtime.Serialization.SerializationException("a message of an unknown kind was refused");
}
