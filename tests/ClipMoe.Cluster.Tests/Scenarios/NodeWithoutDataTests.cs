using ClipMoe.Model.Datasets.Scenes;

namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>The data set is on one node only, and the worker of the other is the first in line for every piece of work.</summary>
[Trait("Category", "Scenario")]
public sealed class NodeWithoutDataTests
{
    /// <summary>One path on all nodes, and for each another folder: in its output folder, where it runs.</summary>
    private const string Data = "/proc/self/cwd/pictures";

    private static readonly SceneSettings Pictures = new(Train: 640, Validation: 0, Test: 160);

    [Fact]
    public async Task Its_worker_is_named_and_not_used_until_the_data_set_is_there()
    {
        await using var cluster = new TestCluster();
        var (lacking, having) = (Path.Combine(cluster.OutputOf(0), "pictures"), Path.Combine(cluster.OutputOf(1), "pictures"));
        SceneBenchmark.Make(having, Pictures, CancellationToken.None);
        var expected = await UndisturbedRun.Of("--set", $"data.path={having}");
        var node = cluster.Start(coordinator: true, workers: 1);
        await cluster.UntilWorkers(1);
        cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(2);

        using var nowhere = cluster.Submit("--set", $"data.path={Data}-missing");
        Assert.Equal(1, await nowhere.ExitCode());

        using var run = cluster.Submit("--set", $"data.path={Data}");
        Assert.True(expected == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(node.Output, "tiny-2");
        Assert.All(run.Commits, c => Assert.Equal(1, c.Workers));
        Assert.Contains(
            $"worker {node.Address}/cpu#0 can't take part in this experiment: There is no data set {Data}. "
            + "Put it there, under the same path as on the other nodes, and restart this node.", run.Warnings);

        // What the user is told to do helps.
        SceneBenchmark.Make(lacking, Pictures, CancellationToken.None);
        await node.Restart();
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 2);
        using var next = cluster.Submit("--set", $"data.path={Data}");
        await next.UntilTrainedBy(2);
        await cluster.Ask("cancel");
        Assert.Equal(130, await next.ExitCode());
    }
}
