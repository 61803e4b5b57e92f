namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>Stages of a finished run, each again on its own.</summary>
[Trait("Category", "Pipeline")]
public sealed class StageCommandTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Theory]
    [InlineData("embed", "extract-1")]
    [InlineData("cluster", "cluster-1")]
    [InlineData("train", "mcl-1")]
    [InlineData("assemble", "assemble")]
    [InlineData("evaluate", null)]
    public async Task A_stage_run_again_makes_the_same_result(string command, string? stage)
    {
        string[] named = stage is null ? [] : [stage];
        var (exitCode, output, errors) = await ClipMoeProcess.Run([command, .. named, "--out", undisturbed.Folder, "--threads", "1",
            "--json"]);
        Assert.True(exitCode == 0, errors);
        Assert.Contains(output, line => line.Contains("stage_finished"));
        Assert.DoesNotContain(output, line => line.Contains("another result than before"));
    }

    [Fact]
    public async Task A_stage_that_is_not_there_is_refused_with_those_that_are()
    {
        var (exitCode, _, errors) = await ClipMoeProcess.Run("train", "mcl-9", "--out", undisturbed.Folder);
        Assert.Equal(2, exitCode);
        Assert.Contains("base, mcl-1, mcl-2, routers", errors);
    }

    [Fact]
    public async Task A_folder_of_another_experiment_is_refused_and_left_alone()
    {
        var before = await File.ReadAllTextAsync(Path.Combine(undisturbed.Folder, "experiment.yaml"));
        var (exitCode, _, errors) = await ClipMoeProcess.Run([.. TinyRun.Arguments(undisturbed.Folder), "--set", "seed=99"]);
        Assert.Equal(2, exitCode);
        Assert.Contains("another experiment", errors);
        Assert.Contains("seed is 99 and was 0", errors);
        Assert.Equal(before, await File.ReadAllTextAsync(Path.Combine(undisturbed.Folder, "experiment.yaml")));
    }

    [Fact]
    public async Task A_run_resumes_with_its_resources_and_warns_of_another_number_of_threads()
    {
        string[] resume = ["run", "--set", "preset=tiny", "--out", undisturbed.Folder, "--resume", "--json"];
        var (exitCode, output, errors) = await ClipMoeProcess.Run(resume);
        Assert.True(exitCode == 0, errors);
        Assert.Contains(output, line => line.Contains("run_started") && line.Contains("cpu, 1 thread per worker, fp32"));
        Assert.DoesNotContain(output, line => line.Contains("run_warning"));

        (exitCode, output, errors) = await ClipMoeProcess.Run([.. resume, "--threads", "2"]);
        Assert.True(exitCode == 0, errors);
        Assert.Contains(output, line => line.Contains("run_warning") && line.Contains("was started on cpu, 1 thread per worker, fp32"));
    }

    [Fact]
    public async Task Several_seeds_do_not_replace_the_report_of_a_single_run()
    {
        var report = await File.ReadAllBytesAsync(Path.Combine(undisturbed.Folder, "report.json"));
        var (exitCode, _, errors) = await ClipMoeProcess.Run("run", "--set", "preset=tiny", "--seeds", "2", "--out", undisturbed.Folder);
        Assert.Equal(2, exitCode);
        Assert.Contains("choose another --out", errors);
        Assert.Equal(report, await File.ReadAllBytesAsync(Path.Combine(undisturbed.Folder, "report.json")));
    }

    [Fact]
    public async Task A_run_that_is_there_is_not_begun_again_without_resume()
    {
        var (exitCode, _, errors) = await ClipMoeProcess.Run("run", "--set", "preset=tiny", "--out", undisturbed.Folder);
        Assert.Equal(2, exitCode);
        Assert.Contains("--resume", errors);
    }
}
