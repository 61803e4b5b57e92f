using System.Text.Json;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Nodes.Bench;
using ClipMoe.Nodes.Chaos;
using ClipMoe.Nodes.Commands;

namespace ClipMoe.Nodes.Tests.Commands;

/// <summary>The keys and words that programs read from what commands print with <c>--json</c>.</summary>
public sealed class RecordedOutputTests
{
    private static readonly Recording Outputs = new("recorded-outputs.txt");

    [Fact]
    public void Status_is_as_recorded()
    {
        var workers = Enum.GetValues<WorkerState>().Select((state, i) => new ListedWorker(
            i, new WorkerInfo($"gpu-{i}:4055/cuda:0", new WorkerDevice("cuda:0", 8), new BulkEndpoint("gpu", 4056), "out"), state));
        var experiments = Enum.GetValues<ExperimentStatus>().Select((status, i) =>
            new ListedExperiment($"demo-{i}", "demo", "hash", status, "base", 3, 120, 1843.5, "weights", "a message"));
        var full = new ClusterStatus("gpu-1:4055", 2, [new ListedNode("gpu-1:4055", true)], [.. workers], 4, [.. experiments]);
        var waiting = new ListedExperiment("demo-1", "demo", "hash", ExperimentStatus.Waiting, null, null, null, null, null, null);
        var bare = new ClusterStatus("gpu-1:4055", 1, [], [], null, [waiting]);
        Outputs.RequireAll([("status", StatusCommand.Json(full).ToJsonString()), ("status", StatusCommand.Json(bare).ToJsonString())]);
    }

    [Fact]
    public void Summary_of_a_soak_is_as_recorded()
    {
        var faults = Enum.GetValues<ChaosFault>().Select((fault, i) => (fault, i)).ToDictionary(f => f.fault, f => f.i);
        var full = new SoakSummary(
            "clipmoe chaos", 7, 10.5, 630.25, true, "sha", faults, 2, [new SoakedExperiment("demo-1", 30.5, "sha")], 900, 1.5, 2.5, 0.4,
            new RecoveryTimes(3, 1.5, 2.5, 3.5), ["a violation"]);
        var bare = full with { ExpectedSha256 = null, UndisturbedStepsPerSecond = null, TimeLost = null, AfterKilledWorker = null };
        Outputs.RequireAll([("soak", full.Json()), ("soak", bare.Json())]);
    }

    [Fact]
    public void Inspection_of_a_data_set_has_the_recorded_keys()
    {
        var folder = Directory.CreateTempSubdirectory("clipmoe-recorded-").FullName;
        try
        {
            var scenes = Path.Join(folder, "scenes");
            Assert.Equal(0, Cli.Run("data", "scenes", "--out", scenes, "--train", "2", "--val", "1", "--test", "1").ExitCode);
            File.WriteAllText(Directory.GetFiles(Path.Join(scenes, "train"), "*.png")[0], "no picture");
            Outputs.RequireAll([("inspect-data", Keys(Cli.Run("inspect", scenes, "--json").Output))]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [FixtureFact(MoeCase.ConfigFile)]
    public void Inspection_of_a_checkpoint_has_the_recorded_keys()
    {
        var file = Path.GetTempFileName() + ".safetensors";
        try
        {
            Assert.Equal(0, Cli.Run("convert", Fixtures.MoeCases()[0].Checkpoint, file, "--dtype", "fp32").ExitCode);
            Outputs.RequireAll([("inspect-checkpoint", Keys(Cli.Run("inspect", file, "--json").Output))]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Figures_of_measurements_have_the_recorded_keys()
    {
        var figures = typeof(BenchOptions).Assembly.GetTypes().Where(t => t == typeof(DrillResult)
            || t.DeclaringType?.Name == t.Name.Replace("Result", "Bench", StringComparison.Ordinal)
            .Replace("Summary", "Bench", StringComparison.Ordinal));
        var keys = figures.Select(t => BenchOptions.SnakeCase.GetTypeInfo(t).Properties.Select(p => p.Name))
            .Select(names => ("bench", JsonSerializer.Serialize(names))).ToList();
        Outputs.RequireAll(keys);
        Assert.Empty(Outputs.Lines.Where(line => line.Name == "bench").Except(keys));
    }

    /// <summary>Every path of keys in a JSON object, in the order of its first occurrence.</summary>
    private static string Keys(string json)
    {
        using var document = JsonDocument.Parse(json);
        return JsonSerializer.Serialize(Paths("", document.RootElement).Distinct());
    }

    private static IEnumerable<string> Paths(string path, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().SelectMany(m => Paths($"{path}.{m.Name}", m.Value)),
        JsonValueKind.Array when value.GetArrayLength() > 0 => value.EnumerateArray().SelectMany(item => Paths($"{path}[]", item)),
        _ => [path],
    };
}
