namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>The node that runs the experiment is killed with its workers, and started again.</summary>
[Collection(ScenarioCollection.Name)]
public sealed class CoordinatorKilledTests(UndisturbedRun undisturbed)
{
    [Fact]
    public async Task The_coordinators_node_is_killed_in_each_stage()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        cluster.Start(coordinator: false, workers: 2);
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit();
        await run.Until("stage_started", "data");
        await coordinator.Restart();
        await run.Until("stage_progress", "base", done: 25);
        await coordinator.Restart();
        foreach (var stage in (string[])["extract-1", "cluster-1", "mcl-1", "assemble", "routers", "evaluate"])
        {
            await run.Until("stage_started", stage);
            await coordinator.Restart();
        }
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        Ledger.AssertNothingExtractedTwice(coordinator.Output);
    }

    [Fact]
    public async Task Everything_is_killed_and_started_again()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        var other = cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit();
        await run.Until("stage_progress", "mcl-1", done: 12);
        await Task.WhenAll(coordinator.Kill(), other.Kill());
        coordinator.Start();
        other.Start();
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
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
        using var run = cluster.Submit();
        await run.Until("stage_progress", "base", done: 25);
        await Task.WhenAll(coordinator.Kill(), writer.Kill(), other.Kill());
        coordinator.Start();
        other.Start();
        await run.Until("stage_started", "base");
        var first = await run.Until("stage_progress", "base");
        Assert.True(first.GetProperty("done").GetInt32() > 20, $"training began again at {first}\n{cluster.Log()}");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }
}
