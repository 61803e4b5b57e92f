using System.Diagnostics;
using System.Text.Json;

namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Three minutes of random faults, as <c>clipmoe chaos</c> injects them.</summary>
[Trait("Category", "Scenario")]
public sealed class ChaosTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task Fifty_faults_in_three_minutes_change_no_bit()
    {
        var folder = Directory.CreateTempSubdirectory("clipmoe-chaos-").FullName;
        string[] arguments =
        [
            "chaos", .. UndisturbedRun.Experiment, "--minutes", "3", "--faults", "50", "--seed", "20", "--expect",
            undisturbed.WeightsSha256, "--out", folder,
            "--json",
        ];
        using var process = Process.Start(
            new ProcessStartInfo(TestCluster.Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var happened = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.True(process.ExitCode == 0, $"{output}\n{await happened}\n{folder} has the logs");
        var summary = JsonDocument.Parse(output).RootElement;
        Assert.Empty(summary.GetProperty("violations").EnumerateArray());
        Assert.True(summary.GetProperty("fault_count").GetInt32() >= 50, output);
        Assert.All(
            summary.GetProperty("experiments").EnumerateArray().ToList(),
            e => Assert.Equal(undisturbed.WeightsSha256, e.GetProperty("weights_sha256").GetString()));
        Assert.NotEmpty(summary.GetProperty("experiments").EnumerateArray());
        Directory.Delete(folder, recursive: true);
    }
}
