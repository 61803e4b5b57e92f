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
        var (exitCode, output, errors) = await ClipMoeProcess.Run([command, .. named, "--out", undisturbed.Folder, "--threads", "1", "--json"]);
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
        Assert.Equal(before, await File.ReadAllTextAsync(Path.Combine(undisturbed.Folder, "experiment.yaml")));
    }

    [Fact]
    public async Task A_run_that_is_there_is_not_begun_again_without_resume()
    {
        var (exitCode, _, errors) = await ClipMoeProcess.Run("run", "--set", "preset=tiny", "--out", undisturbed.Folder);
        Assert.Equal(2, exitCode);
        Assert.Contains("--resume", errors);
    }
}
