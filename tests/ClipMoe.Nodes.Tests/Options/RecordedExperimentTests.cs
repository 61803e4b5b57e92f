using System.Text.Json;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Options;

/// <summary>Experiments that earlier versions wrote into output folders and journals are the same experiments still.</summary>
public sealed class RecordedExperimentTests
{
    private static readonly Recording
        Keys = new("recorded-experiment-keys.txt"), Experiments = new("recorded-experiments.txt"), Hashes = new("recorded-hashes.txt");

    private static readonly string A = new('a', 64), B = new('b', 64), C = new('c', 64);

    [Fact]
    public void Keys_and_their_words_are_those_recorded()
    {
        var now = ExperimentSchema.Keys.Values.SelectMany(key =>
            (key.Words ?? [key.Nullable ? "or null" : "any"]).Select(word => (key.Path, JsonSerializer.Serialize(word)))).ToList();
        Keys.RequireAll(now);
        Assert.Empty(Keys.Lines.Except(now));
    }

    [Theory]
    [InlineData("demo")]
    [InlineData("tiny")]
    [InlineData("own-data")]
    public void An_experiment_file_of_an_earlier_run_has_its_hash_still(string name)
    {
        var experiment = Load(name);
        (string, string)[] hashes =
        [
            (name, JsonSerializer.Serialize(ExperimentHash.Compute(experiment))),
            ($"{name}-with-inputs", JsonSerializer.Serialize(ExperimentHash.Compute(experiment, new ExperimentInputs(A, B, C)))),
        ];
        Hashes.RequireAll(hashes);
        Experiments.RequireAll([(name, ExperimentJson.Write(experiment).ToJsonString())]);
    }

    [Fact]
    public void Experiments_in_journals_are_read() =>
        Experiments.RequireReadable((_, json) => ExperimentJson.Write(ExperimentJson.Parse(json)).ToJsonString());

    private static Experiment Load(string name)
    {
        using var stream = typeof(RecordedExperimentTests).Assembly.GetManifestResourceStream($"recorded-{name}.yaml")!;
        return ExperimentFile.Parse(new StreamReader(stream).ReadToEnd(), name, "/", []);
    }
}
