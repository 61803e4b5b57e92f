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

/// <summary>What a run says while nothing disturbs it; shared by the tests that compare with it.</summary>
public sealed class UndisturbedRun : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public string Folder => _folder.Path;

    public string WeightsSha256 { get; private set; } = "";

    /// <summary>Stages in the order in which they ran, with the number of events in each.</summary>
    public IReadOnlyList<(string Stage, int Events)> Stages { get; private set; } = [];

    public async Task InitializeAsync()
    {
        using var process = ClipMoeProcess.Start(TinyRun.Arguments(_folder.Path));
        var events = new List<string>();
        await foreach (var e in process.Events())
        {
            if (e.TryGetProperty("stage", out var stage)) events.Add(stage.GetString()!);
            if (e.TryGetProperty("weights_sha256", out var sha256)) WeightsSha256 = sha256.GetString()!;
        }
        Assert.True(await process.ExitCode() == 0, await process.Errors);
        Stages = [.. events.CountBy(e => e).Select(c => (c.Key, c.Value))];
    }

    public Task DisposeAsync()
    {
        _folder.Dispose();
        return Task.CompletedTask;
    }
}
