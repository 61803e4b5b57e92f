namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>A short scenario that the default test run has, too.</summary>
[Trait("Category", "Smoke")]
public sealed class SmokeAllKilledTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task Everything_is_killed_and_started_again()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        var other = cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("mcl-1", 12);
        using var run = cluster.Submit();
        await cluster.Holds.Until("mcl-1", workers: 2);
        await Task.WhenAll(coordinator.Kill(), other.Kill());
        cluster.Holds.Release("mcl-1");
        coordinator.Start();
        other.Start();
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }
}
