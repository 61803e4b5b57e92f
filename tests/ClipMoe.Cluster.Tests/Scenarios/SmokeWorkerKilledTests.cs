namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>A short scenario that the default test run has, too.</summary>
[Trait("Category", "Smoke")]
public sealed class SmokeWorkerKilledTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task A_worker_is_killed_in_the_middle_of_a_step_and_comes_back()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        var other = cluster.Start(coordinator: false, workers: 1, "kill@base:5:gradient");
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 8);
        using var run = cluster.Submit();
        await run.UntilTrainedBy(2);
        await run.UntilTrainedBy(1);
        Assert.True(other.Happened("fault-Kill-base-5-Gradient"), $"no worker was killed\n{cluster.Log()}");
        await cluster.Holds.Until("base", workers: 2);
        cluster.Holds.Release("base");
        await run.UntilTrainedBy(2);
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }
}
