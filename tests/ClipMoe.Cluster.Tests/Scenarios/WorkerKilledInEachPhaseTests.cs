namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>kill -9 of a worker at each place of a step, of a checkpoint, of an extraction, of k-means.</summary>
[Collection(ScenarioCollection.Name)]
public sealed class WorkerKilledInEachPhaseTests(UndisturbedRun undisturbed)
{
    /// <summary>All in one run: each fault happens once, in a stage of its own or at a step of its own.</summary>
    private static readonly string[] Faults =
    [
        "kill@base:7:features", "kill@base:30:normalisers", "kill@base:55:gradient", "kill@base:80:ready", "kill@base:100:commit",
        "kill@extract-1:0:extract", "kill@cluster-1:1:cluster", "kill@cluster-1:0:label", "kill@mcl-1:0:join", "kill@direct:20:checkpoint",
        "kill@evaluate:0:evaluate",
    ];

    [Fact]
    public async Task The_run_ends_in_the_same_weights_with_each_sample_once_per_epoch()
    {
        await using var cluster = new TestCluster();
        var node = cluster.Start(coordinator: true, workers: 2, Faults);
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit();
        var weights = await run.End();
        Assert.True(undisturbed.WeightsSha256 == weights, cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(node.Output);
        var happened = Directory.GetFiles(node.Output, "fault-Kill-*").Length;
        // A worker that is starting again misses what comes meanwhile: on a busy machine that may be several faults.
        Assert.True(happened >= 3, $"only {happened} of {Faults.Length} faults happened:\n{cluster.Log()}");
    }
}
