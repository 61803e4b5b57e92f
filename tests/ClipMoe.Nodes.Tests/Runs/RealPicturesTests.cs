using System.Text.Json;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>
/// A folder of real pictures with captions from elsewhere: Debian's tuxpaint-stamps-default, which has faults of its own.
/// </summary>
[Trait("Category", "Pipeline")]
public sealed class RealPicturesTests
{
    [StampsFact]
    public async Task A_folder_of_real_pictures_goes_through_all_stages_to_a_report()
    {
        using var folder = new TemporaryFolder();
        var (exitCode, _, errors) = await ClipMoeProcess.Run(
            "run", "--data", StampsFact.Folder, "--set", "preset=tiny", "--set", "data.max_bad_fraction=0.05", "--out", folder.Path,
            "--workers", "2", "--threads", "1", "--json");
        Assert.True(exitCode == 0, errors);

        var report = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder.Path, "report.json"))).RootElement;
        var bad = await File.ReadAllLinesAsync(Path.Combine(folder.Path, "bad-samples.jsonl"));
        Assert.NotEmpty(bad);
        Assert.Equal(bad.Length, report.GetProperty("bad_samples").GetInt32());
        Assert.True(File.Exists(Path.Combine(folder.Path, report.GetProperty("checkpoint").GetString()!)));
        Assert.All(report.GetProperty("stages").EnumerateArray().Where(s => s.GetProperty("kind").GetString() == "train"), stage =>
            Assert.True(double.IsFinite(stage.GetProperty("final_loss").GetDouble())));
        Assert.Contains(report.GetProperty("evaluations").EnumerateArray(), e => e.GetProperty("model").GetString() == "moe");
    }

    [StampsFact]
    public async Task Too_many_bad_samples_stop_the_run_and_name_the_list()
    {
        using var folder = new TemporaryFolder();
        var (exitCode, _, errors) = await ClipMoeProcess.Run(
            "run", "--data", StampsFact.Folder, "--set", "preset=tiny", "--set", "data.max_bad_fraction=0", "--out", folder.Path,
            "--workers", "2", "--threads", "1");
        Assert.Equal(2, exitCode);
        Assert.Contains("bad-samples.jsonl", errors);
        Assert.NotEmpty(await File.ReadAllLinesAsync(Path.Combine(folder.Path, "bad-samples.jsonl")));
    }
}

/// <summary>Needs the pictures; where they are not installed the test says so, and in CI it fails.</summary>
internal sealed class StampsFact : FactAttribute
{
    public const string Folder = "/usr/share/tuxpaint/stamps";

    public StampsFact()
    {
        if (!Directory.Exists(Folder) && Environment.GetEnvironmentVariable("CI") is null)
            Skip = $"{Folder} is not there: install Debian's tuxpaint-stamps-default";
    }
}
