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
        // Neither happens before its time: as long as this is there it counts as done.
        Mark(donor, Serving);
        Mark(joiner, Copying);
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit(longer);
        await run.UntilTrainedBy(2);

        var resumed = await HasToCopy(joiner, () => Clear(joiner, Copying));
        await joiner.UntilLogged("worker cpu#0: in the cluster", resumed);
        // After its death nobody has the state: it is the last checkpoint's again.
        await HasToCopy(joiner, () => Clear(donor, Serving));

        Assert.True(expected == await run.End(), cluster.Log());
        Assert.True(File.Exists(MarkOf(joiner, Copying)) && File.Exists(MarkOf(donor, Serving)), $"a fault did not happen\n{cluster.Log()}");
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

    private static string MarkOf(TestNode node, string fault) => Path.Combine(node.Output, fault);

    private static void Mark(TestNode node, string fault)
    {
        Directory.CreateDirectory(node.Output);
        File.WriteAllText(MarkOf(node, fault), "");
    }

    private static void Clear(TestNode node, string fault) => File.Delete(MarkOf(node, fault));
}
