namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>kill -9 while a worker that came back copies the state of another.</summary>
[Collection(ScenarioCollection.Name)]
public sealed class HealingTests
{
    private const string Copying = "fault-Kill-base-any-Copy", Serving = "fault-Kill-base-any-Serve";

    [Fact]
    public async Task Who_copies_is_killed_and_so_is_who_is_copied_from()
    {
        // Long enough for three pauses.
        string[] longer = ["--set", "base.steps=300"];
        var expected = await UndisturbedRun.Of(longer);
        await using var cluster = new TestCluster();
        var donor = cluster.Start(coordinator: true, workers: 1, "kill@base:*:serve");
        var joiner = cluster.Start(coordinator: false, workers: 1, "kill@base:*:copy");
        // Neither happens before its time.
        donor.Defer(Serving);
        joiner.Defer(Copying);
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit(longer);
        await run.UntilTrainedBy(2);

        var resumed = await HasToCopy(joiner, () => joiner.Release(Copying));
        await joiner.UntilLogged("worker cpu#0: in the cluster", resumed);
        // After its death nobody has the state: it is the last checkpoint's again.
        await HasToCopy(joiner, () => donor.Release(Serving));

        Assert.True(expected == await run.End(), cluster.Log());
        Assert.True(joiner.Happened(Copying) && donor.Happened(Serving), $"a fault did not happen\n{cluster.Log()}");
        Ledger.AssertEachSampleOncePerEpoch(donor.Output);

        // While training pauses a worker loses its state, so that it copies the other's when it goes on.
        async Task<DateTime> HasToCopy(TestNode node, Action armFault)
        {
            await cluster.Ask("pause");
            await run.Until("run_paused");
            armFault();
            var killed = DateTime.UtcNow;
            node.KillWorker();
            await node.UntilLogged("worker cpu#0: in the cluster", killed);
            await cluster.UntilWorkers(2);
            var resumed = DateTime.UtcNow;
            await cluster.Ask("resume");
            return resumed;
        }
    }
}
