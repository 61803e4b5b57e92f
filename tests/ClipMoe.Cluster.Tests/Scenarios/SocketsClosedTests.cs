namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>The connections over which two workers exchange gradients are broken from outside, at the one end and at the other.</summary>
[Collection(NetworkCollection.Name)]
[Trait("Category", "Scenario")]
public sealed class SocketsClosedTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    private const string Broken = "a stream between workers broke";

    [SocketFact]
    public async Task The_step_is_given_up_for_that_reason_and_done_again_by_the_same_workers()
    {
        using var network = VirtualNetwork.Create(hosts: 2);
        await using var cluster = new TestCluster(network: network);
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(2);
        var workers = cluster.Nodes.SelectMany(n => n.Workers()).ToList();
        var ports = (await cluster.Status()).GetProperty("workers").EnumerateArray()
            .Select(w => int.Parse(w.GetProperty("bulk").GetString()!.Split(':')[1])).ToList();
        cluster.Holds.Hold("base", 5);
        using var run = cluster.Submit();
        for (var host = 0; host < 2; host++)
        {
            var before = (await cluster.Holds.Until("base", workers: 2)).Generation;
            var warnings = run.Warnings.Count;
            Assert.True(network.CloseSockets(host, ports) > 0, "no socket was closed: the kernel needs CONFIG_INET_DIAG_DESTROY");
            await cluster.Holds.Advance("base", 3);
            await run.UntilWarned(Broken);
            // The step was not given up because it took too long, nor because a worker was lost.
            Assert.StartsWith($"base: {Broken}", run.Warnings.ElementAt(warnings));
            await run.UntilTrainedBy(2, after: before);
            await cluster.Holds.Until("base", workers: 2, after: before);
        }
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        Assert.Equal(workers, cluster.Nodes.SelectMany(n => n.Workers()));
    }
}
