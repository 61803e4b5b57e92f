using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Journal;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Tests.Hosting;

/// <summary>The whole pipeline in one process, small.</summary>
public sealed class LocalClusterTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<RunOutcome> Run(string name, int workers, Experiment? experiment = null, string? onlyStage = null)
    {
        var folder = Path.Combine(_folder, name);
        Directory.CreateDirectory(folder);
        var workspace = new Workspace("test", experiment ?? TestExperiments.Small, "hash", new RunFolder(folder),
            new WorkerDevice("cpu", 1));
        await using var cluster = new LocalCluster(workspace, workers);
        return await cluster.Run(onlyStage);
    }

    [Fact]
    public async Task A_stage_that_makes_another_result_takes_what_was_built_on_it_with_it()
    {
        var before = Finished(await Run("rerun", 1));
        var other = TestExperiments.Small with { Router = TestExperiments.Small.Router with { LearningRate = 2e-3 } };
        var rerun = Assert.IsType<StageRerun>(await Run("rerun", 1, other, StagePlan.Routers));
        Assert.NotEqual(before.WeightsSha256, rerun.Result.Sha256);
        Assert.Equal([StagePlan.Evaluate], rerun.OutOfDate);
        var journal = JournalReader.Read(new RunFolder(Path.Combine(_folder, "rerun")).Journal, "test");
        Assert.Null(journal.WeightsSha256);
        Assert.DoesNotContain(StagePlan.Evaluate, journal.Completed.Keys);
        Assert.Equal(rerun.Result.Sha256, Finished(await Run("rerun", 1, other)).WeightsSha256);

        var same = Assert.IsType<StageRerun>(await Run("rerun", 1, other, StagePlan.Routers));
        Assert.Empty(same.OutOfDate);
    }

    [Fact]
    public async Task A_folder_whose_name_means_something_in_a_connection_string_takes_a_run() => Finished(await Run("r;q=\"1\"", 2));

    private static ExperimentState Finished(RunOutcome outcome) =>
        outcome is RunFailed failed ? throw new InvalidOperationException(failed.Stage, failed.Cause)
        : Assert.IsType<RunFinished>(outcome).State;

    [Theory]
    [InlineData(GradientFormat.Fp32)]
    [InlineData(GradientFormat.Bf16)]
    [InlineData(GradientFormat.Fp32, LossKind.Sigmoid)]
    public async Task Any_number_of_workers_gives_bitwise_the_same_model_of_every_stage(
        GradientFormat gradients, LossKind loss = LossKind.InfoNce)
    {
        var experiment = TestExperiments.Small with
        {
            Batch = TestExperiments.Small.Batch with { Gradients = gradients },
            Training = new TrainingSettings { Loss = loss },
        };
        var one = Finished(await Run("one", 1, experiment));
        foreach (var workers in (int[])[2, 3, 4])
        {
            var many = Finished(await Run($"{workers}", workers, experiment));
            Assert.Equal(
                one.Completed.OrderBy(c => c.Key).Select(c => (c.Key, c.Value.Sha256)),
                many.Completed.OrderBy(c => c.Key).Select(c => (c.Key, c.Value.Sha256)));
        }
    }

    [Fact]
    public async Task Workers_that_each_label_their_own_shards_accumulate_the_same_labels_as_one()
    {
        var small = TestExperiments.Small;
        var experiment = small with
        {
            Data = small.Data with { BenchmarkTrain = 1100 },
            Base = small.Base with { Steps = 2 },
            Evaluation = new EvaluationSettings(),
        };
        var one = Finished(await Run("one", 1, experiment));
        var two = Finished(await Run("two", 2, experiment));
        foreach (var stage in (string[])["cluster-1", "cluster-2", "mcl-2"])
            Assert.Equal(one.Completed[stage].Sha256, two.Completed[stage].Sha256);
        Assert.Equal(1100, one.Completed["cluster-2"].ClusterSizes!.Sum());
        Assert.True(File.Exists(Path.Combine(_folder, "two", "stages", "cluster-2", "labels-000001.safetensors")));
    }
}
