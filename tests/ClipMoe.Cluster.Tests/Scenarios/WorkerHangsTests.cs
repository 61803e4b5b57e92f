using ClipMoe.Actors.Faults;

namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>A worker hangs in mid-training and does not continue.</summary>
[Trait("Category", "Scenario")]
public sealed class WorkerHangsTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task The_others_drop_it_and_finish_and_when_it_continues_it_is_told_so_and_works_again()
    {
        await using var cluster = new TestCluster();
        var node = cluster.Start(coordinator: true, workers: 2);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 5);
        using var run = cluster.Submit();
        var held = await cluster.Holds.Until("base", workers: 2);
        node.StopWorker();
        cluster.Holds.Release("base");
        await run.UntilTrainedBy(1, after: held.Generation);
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(node.Output);
        Assert.Contains(run.Warnings, w => w.Contains($"{node.Address}/cpu#0"));

        var continued = DateTime.UtcNow;
        Assert.True(node.ContinueWorker(), "it did not stand still to the end of the run");
        await node.UntilLogged("worker cpu#0: removed from the cluster after being unreachable", continued);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 5);
        using var next = cluster.Submit();
        await next.UntilTrainedBy(2);
        await cluster.Ask("cancel");
        Assert.Equal(130, await next.ExitCode());
    }
}
