namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>The journal's database is away for a while.</summary>
[Trait("Category", "Scenario")]
public sealed class DatabaseStoppedTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    private static readonly TimeSpan Outage = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task The_run_waits_for_the_database_and_loses_nothing()
    {
        await using var postgres = await PostgresServer.Start();
        await using var cluster = new TestCluster(postgres.ConnectionString);
        cluster.Start(coordinator: true, workers: 2);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 25);
        using var run = cluster.Submit();
        await cluster.Holds.Until("base", workers: 2);
        await postgres.Stop();
        cluster.Holds.Release("base");
        // What is tested is an outage of this length.
        var outage = Task.Delay(Outage);
        Assert.Contains("the journal can't be written", (await run.Until("run_warning")).GetProperty("message").GetString());
        await outage;
        await postgres.Continue();
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(postgres.ConnectionString, cluster.Fetched, "tiny-1");
        Ledger.AssertOneCoordinatorAtATime(postgres.ConnectionString);
        Assert.DoesNotContain(run.Warnings, w => w.Contains("resuming from the checkpoint"));
    }
}
