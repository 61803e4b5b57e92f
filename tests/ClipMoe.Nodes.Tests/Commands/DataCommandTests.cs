using System.Text.Json;

namespace ClipMoe.Nodes.Tests.Commands;

public sealed class DataCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-data-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Scenes_are_written_and_inspected()
    {
        var scenes = Path.Join(_folder, "scenes");
        Assert.Equal(0, Cli.Run("data", "scenes", "--out", scenes, "--train", "20", "--val", "0", "--test", "5", "--seed", "3").ExitCode);

        var text = Cli.Run("inspect", scenes);
        Assert.Equal((0, ""), (text.ExitCode, text.Error));
        Assert.Contains("25 samples", text.Output);
        Assert.Contains("train 20, test 5", text.Output);

        using var json = JsonDocument.Parse(Cli.Run("inspect", scenes, "--json").Output);
        Assert.Equal(25, json.RootElement.GetProperty("usable").GetInt32());
        Assert.Equal("folder", json.RootElement.GetProperty("format").GetString());
    }

    [Fact]
    public void Inspect_says_when_a_run_would_stop_at_the_bad_samples()
    {
        var scenes = Path.Join(_folder, "scenes");
        Assert.Equal(0, Cli.Run("data", "scenes", "--out", scenes, "--train", "20", "--val", "0", "--test", "5").ExitCode);
        Assert.DoesNotContain("max_bad_fraction", Cli.Run("inspect", scenes).Output);
        File.WriteAllText(Directory.GetFiles(Path.Join(scenes, "train"), "*.png")[0], "no picture");
        Assert.Contains("A run stops at such data, unless data.max_bad_fraction, 0.01 unless set, is raised",
            Cli.Run("inspect", scenes).Output);
    }

    [Fact]
    public void A_folder_in_use_is_refused_in_one_sentence()
    {
        File.WriteAllText(Path.Join(_folder, "thesis.doc"), "precious");
        var refused = Cli.Run("data", "scenes", "--out", _folder);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains($"The folder {_folder} is not empty", Assert.Single(refused.Error.TrimEnd().Split('\n')));
    }
}
