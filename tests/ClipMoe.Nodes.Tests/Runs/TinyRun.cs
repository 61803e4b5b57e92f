using System.Text.Json;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>The smallest whole pipeline, and its run without any disturbance.</summary>
internal static class TinyRun
{
    public static string[] Arguments(string folder, int workers = 2) =>
        ["run", "--set", "preset=tiny", "--out", folder, "--workers", $"{workers}", "--threads", "1", "--json", "--resume"];

    /// <summary>Runs to the end; fails the test with the program's own words when it does not get there.</summary>
    public static async Task<JsonElement> Report(string folder, int workers = 2)
    {
        var (exitCode, _, errors) = await ClipMoeProcess.Run(Arguments(folder, workers));
        Assert.True(exitCode == 0, $"exit code {exitCode}: {errors}");
        return JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "report.json"))).RootElement;
    }
}

/// <summary>What a run says while nothing disturbs it; one run for all tests that compare with it.</summary>
public sealed class UndisturbedRun : IAsyncLifetime
{
    private static readonly Lazy<Task<Outcome>> Shared = new(Run);

    private Outcome? _outcome;

    /// <param name="Folder">Tests run stages again in it, which makes the same files; none changes what later stages start from.</param>
    private sealed record Outcome(string Folder, string WeightsSha256, IReadOnlyList<(string Stage, int Events)> Stages);

    public string Folder => _outcome!.Folder;

    public string WeightsSha256 => _outcome!.WeightsSha256;

    /// <summary>Stages in the order in which they ran, with the number of events in each.</summary>
    public IReadOnlyList<(string Stage, int Events)> Stages => _outcome!.Stages;

    public async Task InitializeAsync() => _outcome = await Shared.Value;

    public Task DisposeAsync() => Task.CompletedTask;

    private static async Task<Outcome> Run()
    {
        var folder = new TemporaryFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Dispose();
        using var process = ClipMoeProcess.Start(TinyRun.Arguments(folder.Path));
        var (events, weights) = (new List<string>(), "");
        await foreach (var e in process.Events())
        {
            if (e.TryGetProperty("stage", out var stage)) events.Add(stage.GetString()!);
            if (e.TryGetProperty("weights_sha256", out var sha256)) weights = sha256.GetString()!;
        }
        Assert.True(await process.ExitCode() == 0, await process.Errors);
        return new Outcome(folder.Path, weights, [.. events.CountBy(e => e).Select(c => (c.Key, c.Value))]);
    }
}
