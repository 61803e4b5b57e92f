using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace ClipMoe.Actors.Experiments;

/// <summary>
/// What stands in an experiment's hash for the files that it names: hashes of their contents, so that a moved file is the same experiment
/// and a changed one is another. Null where the contents are not known: then only that a file is given counts.
/// </summary>
public sealed record ExperimentInputs(string? Data = null, string? Vocabulary = null, string? Checkpoint = null);

/// <summary>SHA-256 of what decides the weights of an experiment's models.</summary>
public static class ExperimentHash
{
    /// <returns>Lower-case hexadecimal.</returns>
    public static string Compute(Experiment experiment, ExperimentInputs? inputs = null)
    {
        var canonical = new StringBuilder();
        WriteSorted(Deciding(experiment, inputs ?? new ExperimentInputs()), canonical);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())));
    }

    /// <summary>
    /// Settings that decide the weights and differ, one sentence part each; files by what is in them, where both hashes are known.
    /// </summary>
    public static IReadOnlyList<string> Differences(
        Experiment before, ExperimentInputs inputsBefore, Experiment now, ExperimentInputs inputsNow)
    {
        var (old, settings) = (Flat(Deciding(before, inputsBefore)), Flat(Deciding(now, inputsNow)));
        return
        [
            .. settings.Keys.Union(old.Keys).Order(StringComparer.Ordinal)
                .Where(key => settings.GetValueOrDefault(key) != old.GetValueOrDefault(key))
                .Select(key => IsHash(settings.GetValueOrDefault(key)) && IsHash(old.GetValueOrDefault(key))
                    ? $"{key} is another file"
                    : $"{key} is {Shown(settings.GetValueOrDefault(key))} and was {Shown(old.GetValueOrDefault(key))}"),
        ];

        static bool IsHash(string? value) => value is { Length: 2 + 2 * SHA256.HashSizeInBytes };

        static string Shown(string? value) => value is null ? "void" : IsHash(value) || value == "\"given\"" ? "given" : value;
    }

    private static Dictionary<string, string> Flat(JsonObject settings)
    {
        var flat = new Dictionary<string, string>();
        foreach (var (key, value) in settings)
        {
            if (value is JsonObject section)
                foreach (var (inner, text) in Flat(section)) flat.Add($"{key}.{inner}", text);
            else flat.Add(key, value?.ToJsonString() ?? "null");
        }
        return flat;
    }

    /// <summary>
    /// Leaves out what <see cref="HashedKeys"/> says, and settings that another setting makes void. Files are there by their contents.
    /// </summary>
    private static JsonObject Deciding(Experiment experiment, ExperimentInputs inputs)
    {
        var json = HashedKeys.Of(ExperimentJson.Write(experiment));
        var (data, model) = (Section("data"), Section("model"));
        if (StandIn(data, "path", inputs.Data)) Remove(data, "benchmark_train", "benchmark_test");
        if (StandIn(data, "vocabulary", inputs.Vocabulary)) data.Remove("vocabulary_size");
        if (StandIn(model, "checkpoint", inputs.Checkpoint))
        {
            model.Remove("name");
            json.Remove("base");
        }
        foreach (var section in (string[])["mcl", "router"])
            if (Section(section)["steps"] is not null) Section(section).Remove("epochs");
        return json;

        JsonObject Section(string name) => json[name]!.AsObject();
    }

    private static bool StandIn(JsonObject section, string key, string? content)
    {
        if (section[key] is null) return false;
        section[key] = content ?? "given";
        return true;
    }

    private static void Remove(JsonObject section, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys) section.Remove(key);
    }

    /// <summary>Compact JSON with the keys of every object in ordinal order.</summary>
    private static void WriteSorted(JsonNode? node, StringBuilder canonical)
    {
        switch (node)
        {
            case JsonObject section:
                canonical.Append('{');
                var first = true;
                foreach (var (key, value) in section.OrderBy(p => p.Key, StringComparer.Ordinal))
                {
                    if (!first) canonical.Append(',');
                    first = false;
                    canonical.Append(JsonValue.Create(key).ToJsonString()).Append(':');
                    WriteSorted(value, canonical);
                }
                canonical.Append('}');
                break;
            default:
                canonical.Append(node?.ToJsonString() ?? "null");
                break;
        }
    }
}
