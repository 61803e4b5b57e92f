using System.Diagnostics;
using System.Text.Json;

namespace ClipMoe.Cluster.Tests;

/// <summary>The same experiment on one machine with nothing going wrong: what every scenario must end in.</summary>
public sealed class UndisturbedRun : IAsyncLifetime
{
    /// <summary>
    /// Environment variable with more settings of all scenarios, <c>KEY=VALUE;KEY=VALUE</c>: less work in a step is like a faster machine.
    /// </summary>
    private const string SettingsVariable = "CLIPMOE_SCENARIO_SETTINGS";

    /// <summary>The whole pipeline but for the comparisons, and no more steps than scenarios need: the rest is more of the same.</summary>
    public static string[] Experiment { get; } =
    [
        "--set", "preset=tiny", "--set", "base.steps=60", "--set", "evaluation.compare=[]",
        .. (Environment.GetEnvironmentVariable(SettingsVariable) ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(setting => (string[])["--set", setting]),
    ];

    /// <summary>One for all scenarios.</summary>
    private static readonly Lazy<Task<string>> Shared = new(() => Of());

    public string WeightsSha256 { get; private set; } = "";

    public async Task InitializeAsync() => WeightsSha256 = await Shared.Value;

    /// <param name="more">Settings of a scenario of its own.</param>
    /// <returns>Hash of the final weights.</returns>
    public static async Task<string> Of(params string[] more)
    {
        using var folder = new TemporaryFolder();
        string[] arguments =
            ["run", .. Experiment, .. more, "--out", folder.Path, "--workers", "1", "--threads", "1", "--resume", "--json"];
        using var process = Process.Start(
            new ProcessStartInfo(TestCluster.Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"the undisturbed run ended with {process.ExitCode}: {await errors}\n{output}");
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(folder.File("report.json")));
        return report.RootElement.GetProperty("weights_sha256").GetString()!;
    }

    public Task DisposeAsync() => Task.CompletedTask;
}
