using System.Text.Json.Nodes;

namespace ClipMoe.Actors.Experiments;

/// <summary>
/// Which keys of an experiment count in its hash. Every key is in exactly one of the lists, so adding a key means deciding. Runs continue
/// only under the hash that they were started with, so a key never changes its list.
/// </summary>
public static class HashedKeys
{
    /// <summary>They were there when hashes began, and are hashed with any value. Closed: no key is added here.</summary>
    public static IReadOnlySet<string> Always { get; } = new HashSet<string>
    {
        "seed",
        "data.path", "data.format", "data.conversion", "data.test_split", "data.vocabulary", "data.vocabulary_size", "data.short_text",
        "data.benchmark_train", "data.benchmark_test",
        "model.checkpoint", "model.name", "model.context_length", "model.round_to_half", "model.precision",
        "base.steps", "base.learning_rate", "base.weight_decay", "base.warmup_steps",
        "batch.size", "batch.leaves",
        "mcl.stages", "mcl.clusters", "mcl.steps", "mcl.epochs", "mcl.learning_rate", "mcl.weight_decay", "mcl.warmup_steps",
        "mcl.leftovers",
        "mcl.schedule", "mcl.kmeans_iterations", "mcl.kmeans_restarts",
        "moe.init", "moe.experts", "moe.top_k", "moe.layers",
        "router.trains", "router.steps", "router.epochs", "router.learning_rate", "router.weight_decay", "router.warmup_steps",
        "router.expert_dropout", "router.loss_weight", "router.loss_tokens",
        "evaluation.compare", "evaluation.compare_learning_rate", "evaluation.linear_probe",
    };

    /// <summary>
    /// Keys that decide the weights and came later, with the value (as JSON) at which everything is as it was without them: there they are
    /// not in the hash, so that experiments from before them keep theirs.
    /// </summary>
    public static IReadOnlyDictionary<string, string> UnlessDefault { get; } = new Dictionary<string, string>
    {
        ["data.path_column"] = "null",
        ["data.caption_column"] = "null",
        ["batch.gradients"] = "\"fp32\"",
        ["router.z_loss_weight"] = "0",
        ["training.loss"] = "\"infonce\"",
    };

    /// <summary>
    /// Names, places, and what only guards against loss: workers, memory and verification would be others. They never count.
    /// </summary>
    public static IReadOnlySet<string> Never { get; } = new HashSet<string>
    {
        "name", "data.image_root", "data.max_bad_fraction", "checkpoints.every_steps", "checkpoints.keep",
        "logging.metrics",
    };

    /// <summary>The keys of an experiment that count, without sections that have none.</summary>
    public static JsonObject Of(JsonObject experiment) => Section(experiment, "");

    private static JsonObject Section(JsonObject section, string path)
    {
        var counting = new JsonObject();
        foreach (var (name, value) in section)
        {
            var key = path + name;
            if (value is JsonObject child)
            {
                if (Section(child, $"{key}.") is { Count: > 0 } inner) counting.Add(name, inner);
            }
            else if (Counts(key, value))
            {
                counting.Add(name, value?.DeepClone());
            }
        }
        return counting;
    }

    private static bool Counts(string key, JsonNode? value) =>
        Always.Contains(key) || (UnlessDefault.TryGetValue(key, out var without) ? (value?.ToJsonString() ?? "null") != without
            : Never.Contains(key) ? false : throw new InvalidOperationException($"{key} is in no list of hashed keys"));
}
