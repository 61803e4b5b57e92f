using System.Text.Json.Nodes;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Options;

/// <summary>Which keys of an experiment count in its hash.</summary>
public sealed class HashedKeysTests
{
    /// <summary>With nothing set that makes another key void.</summary>
    private static readonly Experiment Some = ExperimentFile.Parse("mcl: {steps: null}\nrouter: {steps: null}", "test.yaml", "/", []);

    public static TheoryData<string> Keys => new(ExperimentSchema.Keys.Keys);

    [Fact]
    public void Every_key_stands_in_exactly_one_list()
    {
        var listed = HashedKeys.Always.Concat(HashedKeys.UnlessDefault.Keys).Concat(HashedKeys.Never);
        Assert.Equal(ExperimentSchema.Keys.Keys.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void A_key_counts_as_its_list_says(string key)
    {
        var changed = ExperimentJson.Write(Some);
        Change(changed, key);
        var same = ExperimentHash.Compute(Some) == ExperimentHash.Compute(ExperimentJson.Read(changed));
        Assert.Equal((key, HashedKeys.Never.Contains(key)), (key, same));
    }

    [Fact]
    public void Experiments_from_before_a_key_have_it_where_it_does_not_count()
    {
        // A file that a run left in its folder gets it from the preset, an experiment in a journal from the record.
        var (file, journal) = (ExperimentJson.Write(Some), ExperimentJson.Write(Some));
        foreach (var (key, value) in HashedKeys.UnlessDefault)
        {
            Remove(journal, key);
            Assert.Equal((key, value), (key, Text(file, key)));
        }
        var read = ExperimentJson.Read(journal);
        Assert.All(HashedKeys.UnlessDefault, k => Assert.Equal((k.Key, k.Value), (k.Key, Text(ExperimentJson.Write(read), k.Key))));
        Assert.Equal(ExperimentHash.Compute(Some), ExperimentHash.Compute(read));
    }

    [Fact]
    public void A_key_at_its_default_is_not_in_what_is_hashed()
    {
        var hashed = Paths("", HashedKeys.Of(ExperimentJson.Write(Some)));
        Assert.Equal(HashedKeys.Always.Order(StringComparer.Ordinal), hashed.Order(StringComparer.Ordinal));
    }

    private static void Change(JsonObject experiment, string key)
    {
        var (section, name) = Find(experiment, key);
        var (now, schema) = (section[name], ExperimentSchema.Keys[key]);
        section[name] = schema.Type.IsGenericType ? new JsonArray()
            : schema.Words?.FirstOrDefault(w => w != (string?)now) is { } word ? word
            : schema.Type == typeof(bool) ? !(bool)now!
            : schema.Type == typeof(string) ? $"{(string?)now}x"
            : schema.Type == typeof(double) ? 2 * (double)now! + 0.001
            : now is null ? 3 : JsonNode.Parse($"{long.Parse(now.ToJsonString()) + 1}");
    }

    private static void Remove(JsonObject experiment, string key)
    {
        var (section, name) = Find(experiment, key);
        Assert.True(section.Remove(name));
    }

    private static string Text(JsonObject experiment, string key)
    {
        var (section, name) = Find(experiment, key);
        return section[name]?.ToJsonString() ?? "null";
    }

    private static (JsonObject Section, string Name) Find(JsonObject experiment, string key)
    {
        var parts = key.Split('.');
        return (parts[..^1].Aggregate(experiment, (section, part) => section[part]!.AsObject()), parts[^1]);
    }

    private static IEnumerable<string> Paths(string path, JsonObject section) =>
        section.SelectMany(member => member.Value is JsonObject child
        ? Paths($"{path}{member.Key}.", child) : [$"{path}{member.Key}"]);
}
