namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Every node is taken down in good order and started again, one after another, as for an upgrade.</summary>
[Trait("Category", "Scenario")]
public sealed class RollingRestartTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task The_coordinators_node_and_both_others_are_restarted_one_after_another()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        cluster.Start(coordinator: false, workers: 1);
        cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(3);
        cluster.Holds.Hold("base", 15);
        using var run = cluster.Submit();
        foreach (var node in cluster.Nodes)
        {
            await cluster.Holds.Until("base", workers: 3);
            Assert.Equal(0, await node.Terminate());
            node.Start();
            await cluster.UntilWorkers(3);
        }
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        // Nothing had to be made again.
        string[] signs = ["missing or damaged", "can't be used", "from the checkpoint"];
        var again = run.Warnings.Where(w => signs.Any(w.Contains)).ToList();
        Assert.True(again.Count == 0, $"{string.Join('\n', again)}\n{cluster.Log()}");
    }
}
