using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Architecture;

namespace ClipMoe.Nodes.Options;

/// <summary>Something that may stand in an experiment file: a section or a key with a value.</summary>
internal abstract record SchemaNode(string Path);

internal sealed record SchemaSection(string Path, IReadOnlyDictionary<string, SchemaNode> Children) : SchemaNode(Path);

/// <param name="Type">Type of the record's property, without its nullability.</param>
/// <param name="Range">Smallest and largest number allowed.</param>
/// <param name="Words">The values allowed, when they are words.</param>
internal sealed record SchemaKey(string Path, Type Type, bool Nullable, NumberRange? Range, IReadOnlyList<string>? Words)
    : SchemaNode(Path);

internal readonly record struct NumberRange(double Smallest, double Largest);

/// <summary>
/// The keys of an experiment file. Names and types are those of the <see cref="Experiment"/> records, so the two can't drift apart; only
/// the ranges of numbers are given here.
/// </summary>
internal static class ExperimentSchema
{
    private static readonly NumberRange
        Size = new(1, 1 << 24), Count = new(0, 1 << 24), Steps = new(0, 1e9), LearningRate = new(0, 10), Fraction = new(0, 1),
        Weight = new(0, 100);

    private static readonly Dictionary<string, NumberRange> Ranges = new()
    {
        ["seed"] = new(0, ulong.MaxValue),
        ["data.max_bad_fraction"] = Fraction,
        ["data.test_split"] = new(0, 1e9),
        ["data.vocabulary_size"] = new(514, 49408),
        ["data.benchmark_train"] = Count,
        ["data.benchmark_test"] = Count,
        ["model.context_length"] = new(4, 1 << 16),
        ["base.steps"] = Steps,
        ["base.learning_rate"] = LearningRate,
        ["base.weight_decay"] = Weight,
        ["base.warmup_steps"] = Steps,
        ["batch.size"] = new(2, 1 << 20),
        ["batch.leaves"] = new(1, 1024),
        ["mcl.stages"] = new(0, 63),
        ["mcl.clusters"] = new(1, 1 << 15),
        ["mcl.steps"] = Steps,
        ["mcl.epochs"] = new(1, 1e6),
        ["mcl.learning_rate"] = LearningRate,
        ["mcl.weight_decay"] = Weight,
        ["mcl.warmup_steps"] = Steps,
        ["mcl.kmeans_iterations"] = new(1, 1e6),
        ["mcl.kmeans_restarts"] = new(1, 1000),
        ["moe.experts"] = new(1, 64),
        ["moe.top_k"] = new(1, 64),
        ["moe.layers"] = new(1, 1024),
        ["router.steps"] = Steps,
        ["router.epochs"] = new(1, 1e6),
        ["router.learning_rate"] = LearningRate,
        ["router.weight_decay"] = Weight,
        ["router.warmup_steps"] = Steps,
        ["router.expert_dropout"] = Fraction,
        ["router.loss_weight"] = Weight,
        ["router.z_loss_weight"] = Weight,
        ["evaluation.compare_learning_rate"] = LearningRate,
        ["checkpoints.every_steps"] = Size,
        ["checkpoints.keep"] = new(1, 1e6),
    };

    /// <summary>Keys that name a file or a folder.</summary>
    public static IReadOnlySet<string> Paths { get; } =
        new HashSet<string> { "data.path", "data.image_root", "data.vocabulary", "model.checkpoint" };

    public static SchemaSection Root { get; } = Section("", ExperimentJson.Options.GetTypeInfo(typeof(Experiment)));

    public static IReadOnlyDictionary<string, SchemaKey> Keys { get; } = KeysOf(Root).ToDictionary(k => k.Path);

    private static SchemaSection Section(string path, JsonTypeInfo type) =>
        new(path, type.Properties.ToDictionary(p => p.Name, p => Node(path == "" ? p.Name : $"{path}.{p.Name}", p)));

    private static SchemaNode Node(string path, JsonPropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var section = ExperimentJson.Options.GetTypeInfo(type);
        return section.Kind == JsonTypeInfoKind.Object
            ? Section(path, section)
            : new SchemaKey(path, type, property.IsSetNullable, Ranges.TryGetValue(path, out var range) ? range : null, Words(path, type));
    }

    private static IReadOnlyList<string>? Words(string path, Type type)
    {
        if (path == "model.name") return ClipConfig.Names;
        var item = type.IsGenericType ? type.GetGenericArguments()[0] : type;
        return item.IsEnum
            ? [.. Enum.GetValues(item).Cast<object>()
                .Select(v => JsonSerializer.SerializeToNode(v, item, ExperimentJson.Options)!.GetValue<string>())]
            : null;
    }

    private static IEnumerable<SchemaKey> KeysOf(SchemaNode node) => node switch
    {
        SchemaSection section => section.Children.Values.SelectMany(KeysOf),
        _ => [(SchemaKey)node],
    };
}
