namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Three coordinators with their state in PostgreSQL: any of them may be lost for good.</summary>
[Trait("Category", "Scenario")]
public sealed class ThreeCoordinatorsTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task Two_coordinators_are_warned_of_in_the_log_and_in_status()
    {
        await using var cluster = new TestCluster();
        var first = cluster.Start(coordinator: true, workers: 0);
        cluster.Start(coordinator: true, workers: 0);
        await first.UntilLogged("with two coordinators, losing the older one stops the other too");
        Assert.Contains("warning: with two coordinators", await cluster.Ask("status"));
    }

    [Fact]
    public async Task The_one_that_runs_the_experiment_is_lost_for_good_and_another_takes_over()
    {
        await using var postgres = await PostgresServer.Start();
        await using var cluster = new TestCluster(postgres.ConnectionString);
        cluster.StartThreeCoordinators();
        await cluster.UntilWorkers(3);
        cluster.Holds.Hold("base", 25);
        using var run = cluster.Submit();
        await cluster.Holds.Until("base", workers: 3);
        var first = cluster.Nodes[cluster.HostOf((await cluster.Status()).GetProperty("coordinator").GetString()!)];
        await first.Kill();
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(postgres.ConnectionString, cluster.Fetched, "tiny-1");
        var status = await cluster.Status();
        Assert.NotEqual(first.Address, status.GetProperty("coordinator").GetString());
        // A machine may be so slow that another one seems to be gone, too; there are never two at a time.
        var turns = Ledger.AssertOneCoordinatorAtATime(postgres.ConnectionString);
        Assert.InRange(turns, 2, status.GetProperty("term").GetInt32());
    }
}
