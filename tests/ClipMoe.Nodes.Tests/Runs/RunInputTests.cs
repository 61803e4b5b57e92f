using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model;
using ClipMoe.Model.Datasets.Scenes;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>The data and the checkpoint of a run, before anything is computed with them.</summary>
[Trait("Category", "Pipeline")]
public sealed class RunInputTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string At(string name) => Path.Combine(_folder.Path, name);

    private string Scenes(int validation, int test)
    {
        var path = At("scenes");
        SceneBenchmark.Make(path, new SceneSettings(20, validation, test), CancellationToken.None);
        return path;
    }

    private Workspace Open(params string[] sets)
    {
        Directory.CreateDirectory(At("run"));
        var experiment = ExperimentFile.Parse("preset: tiny", "test.yaml", _folder.Path, sets);
        return new Workspace("experiment", experiment, "hash", new RunFolder(At("run")), new WorkerDevice("cpu", 1));
    }

    private static DataPrepared Prepare(Workspace workspace) => workspace.Prepare((_, _) => { }, CancellationToken.None);

    [Fact]
    public void Data_without_test_samples_is_refused_before_anything_is_computed_and_the_folder_can_be_used_again()
    {
        var data = Scenes(validation: 0, test: 0);
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var outcome = Cli.Run("run", "--set", "preset=tiny", "--set", "data.test_split=0", "--data", data, "--out", At("run"),
                "--threads", "1", "--json");
            Assert.Equal(2, outcome.ExitCode);
            Assert.Contains("data.test_split", outcome.Error);
            Assert.DoesNotContain("holds a run already", outcome.Error);
            Assert.DoesNotContain("\"stage\":\"base\"", outcome.Output);
        }
    }

    [Fact]
    public void Epochs_count_the_steps_and_a_warm_up_that_outlasts_them_is_warned_of()
    {
        var outcome = Cli.Run(
            ["run", "--data", Scenes(validation: 0, test: 5), "--out", At("run"), "--workers", "1", "--threads", "1", "--json",
            .. Sets("preset=tiny", "base.steps=4", "base.warmup_steps=1", "mcl.steps=null", "router.steps=null", "mcl.epochs=1",
                "router.epochs=3",
                "router.warmup_steps=15", "mcl.warmup_steps=1", "batch.size=4", "evaluation.compare=[]")]);
        Assert.True(outcome.ExitCode == 0, outcome.Error);
        Assert.Contains("routers has 15 steps", outcome.Output);
        Assert.DoesNotContain("mcl-1 has", outcome.Output);

        static IEnumerable<string> Sets(params string[] sets) => sets.SelectMany(s => new[] { "--set", s });
    }

    [Fact]
    public void A_split_that_rounds_to_no_test_sample_is_refused()
    {
        var flat = At("flat");
        Directory.CreateDirectory(flat);
        foreach (var file in Directory.GetFiles(Path.Combine(Scenes(validation: 0, test: 0), "train")))
            File.Copy(file, Path.Combine(flat, Path.GetFileName(file)));
        using var workspace = Open($"data.path={flat}", "data.test_split=0.01");
        Assert.Contains("data.test_split, now 0.01", Assert.Throws<UserErrorException>(() => Prepare(workspace)).Message);
    }

    [Fact]
    public void Results_on_a_validation_split_are_called_so()
    {
        using var workspace = Open($"data.path={Scenes(validation: 5, test: 0)}");
        Assert.Equal(5, Prepare(workspace).Test);
        Assert.Equal("validation", workspace.Data.HeldOutSplit);
    }

    [Fact]
    public void Columns_of_a_csv_are_those_that_the_experiment_names()
    {
        var pictures = Directory.GetFiles(Path.Combine(Scenes(validation: 0, test: 0), "train"), "*.png").Order().ToList();
        File.WriteAllLines(At("rows.csv"), pictures.Select((p, i) => $"{i},{p},a scene {i}").Prepend("one,two,three"));
        using var workspace = Open($"data.path={At("rows.csv")}", "data.path_column=two", "data.caption_column=three");
        var prepared = Prepare(workspace);
        Assert.Equal(pictures.Count, prepared.Train + prepared.Test);
        Assert.StartsWith("a scene ", workspace.Data.Images.Caption(0).Long);
    }

    [Fact]
    public void Data_that_was_repaired_after_the_run_refused_it_is_read_again()
    {
        var data = Path.Combine(Scenes(validation: 0, test: 4), "train");
        var picture = Directory.GetFiles(data, "*.png").Order().First();
        var whole = File.ReadAllBytes(picture);
        File.WriteAllText(picture, "no picture");
        using (var workspace = Open($"data.path={At("scenes")}"))
            Assert.Contains("repair the data", Assert.Throws<UserErrorException>(() => Prepare(workspace)).Message);
        File.WriteAllBytes(picture, whole);
        using (var workspace = Open($"data.path={At("scenes")}")) Assert.Equal((20, 0), (Prepare(workspace).Train, Prepare(workspace).Bad));
    }

    [Theory]
    [InlineData("bad-samples.jsonl")]
    [InlineData("scan.json")]
    public void What_was_found_out_about_the_data_is_found_out_again_where_it_was_damaged(string file)
    {
        string[] sets = [$"data.path={Scenes(validation: 0, test: 4)}", "data.max_bad_fraction=0.5"];
        File.WriteAllText(Directory.GetFiles(Path.Combine(At("scenes"), "train"), "*.png").Order().First(), "no picture");
        DataPrepared prepared;
        int[] train;
        using (var workspace = Open(sets)) (prepared, train) = (Prepare(workspace), workspace.Data.Train);
        var path = Path.Combine(At("run"), file);
        File.WriteAllText(path, File.ReadAllText(path).Replace("0", "3"));

        using var resumed = Open(sets);
        resumed.Open(prepared);
        Assert.Equal(train, resumed.Data.Train);
        Assert.Equal(1, prepared.Bad);
    }

    [Fact]
    public void A_damaged_scan_of_data_that_changed_too_is_refused()
    {
        string[] sets = [$"data.path={Scenes(validation: 0, test: 4)}"];
        DataPrepared prepared;
        using (var workspace = Open(sets)) prepared = Prepare(workspace);
        File.Delete(Path.Combine(At("run"), "scan.json"));
        // As long as before, so that only its content tells.
        var caption = Directory.GetFiles(Path.Combine(At("scenes"), "train"), "*.txt").Order().First();
        File.WriteAllText(caption, File.ReadAllText(caption).Replace('e', 'i'));

        using var resumed = Open(sets);
        Assert.Contains("no longer gives", Assert.Throws<UserErrorException>(() => resumed.Open(prepared)).Message);
    }
}
