namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>The node that runs the experiment is killed with its workers, and started again.</summary>
[Trait("Category", "Scenario")]
public sealed class CoordinatorKilledTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    /// <summary>Each with the step at which it is killed.</summary>
    private static readonly (string Stage, int Step)[] Stages =
        [("data", 0), ("base", 25), ("extract-1", 0), ("cluster-1", 0), ("mcl-1", 12), ("assemble", 0), ("routers", 5), ("evaluate", 0)];

    [Fact]
    public async Task The_coordinators_node_is_killed_in_each_stage()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        cluster.Start(coordinator: false, workers: 2);
        await cluster.UntilWorkers(2);
        foreach (var (stage, step) in Stages) cluster.Holds.Hold(stage, step);
        using var run = cluster.Submit();
        foreach (var (stage, _) in Stages)
        {
            await cluster.Holds.Until(stage);
            await coordinator.Kill();
            cluster.Holds.Release(stage);
            coordinator.Start();
        }
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        Ledger.AssertNothingExtractedTwice(coordinator.Output);
    }

    [Fact]
    public async Task Everything_is_killed_and_the_node_that_wrote_the_checkpoints_never_comes_back()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        // The first worker that is there writes.
        var writer = cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(1);
        var other = cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 25);
        using var run = cluster.Submit();
        await run.UntilSaved("base", 20);
        // Both have computed a step since, so the other one's copy of the checkpoint is written.
        await cluster.Holds.Until("base", workers: 2);
        await Task.WhenAll(coordinator.Kill(), writer.Kill(), other.Kill());
        cluster.Holds.Release("base");
        coordinator.Start();
        other.Start();
        await run.Until("stage_started", "base");
        var first = await run.Until("stage_progress", "base");
        Assert.True(first.GetProperty("done").GetInt32() > 20, $"training began again at {first}\n{cluster.Log()}");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }
}
