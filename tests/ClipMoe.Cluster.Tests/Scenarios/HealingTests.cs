namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>kill -9 while a worker that came back copies the state of another.</summary>
[Trait("Category", "Scenario")]
public sealed class HealingTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    private const string Copying = "fault-Kill-base-any-Copy", Serving = "fault-Kill-base-any-Serve";

    [Fact]
    public async Task The_copying_worker_is_killed_and_so_is_its_donor()
    {
        await using var cluster = new TestCluster();
        var donor = cluster.Start(coordinator: true, workers: 1, "kill@base:*:serve");
        var joiner = cluster.Start(coordinator: false, workers: 1, "kill@base:*:copy");
        // Neither happens before its time.
        donor.Defer(Serving);
        joiner.Defer(Copying);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 5);
        using var run = cluster.Submit();
        await cluster.Holds.Until("base", workers: 2);

        await HasToCopy(joiner, () => joiner.Release(Copying));
        await joiner.UntilHappened(Copying);
        // Back again, it copies and is spared.
        await cluster.Holds.Until("base", workers: 2);
        // After its death no worker has the state: it is the last checkpoint's again.
        await HasToCopy(joiner, () => donor.Release(Serving));
        await donor.UntilHappened(Serving);
        cluster.Holds.Release("base");

        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(donor.Output);

        // While training pauses a worker loses its state, so that it copies the other's when it continues.
        async Task HasToCopy(TestNode node, Action armFault)
        {
            await cluster.Ask("pause");
            await run.Until("run_paused");
            armFault();
            var killed = DateTime.UtcNow;
            node.KillWorker();
            await node.UntilLogged("worker cpu#0: in the cluster", killed);
            await cluster.UntilWorkers(2);
            await cluster.Ask("resume");
        }
    }
}
