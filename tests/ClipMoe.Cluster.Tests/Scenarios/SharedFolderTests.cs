namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Nodes that have one output folder on a disk that all reach.</summary>
[Trait("Category", "Scenario")]
public sealed class SharedFolderTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task The_writer_is_killed_and_the_others_write_on_in_the_same_folder()
    {
        await using var cluster = new TestCluster(sharedFolder: true);
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        var writer = cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(1);
        cluster.Start(coordinator: false, workers: 1);
        cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(3);
        cluster.Holds.Hold("base", 25);
        using var run = cluster.Submit();
        await cluster.Holds.Until("base", workers: 3);
        await writer.Restart();
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        Assert.DoesNotContain(run.Warnings, w => w.Contains("copy of a checkpoint") || w.Contains("can't be used")
            || w.Contains("recomputing it"));
    }
}
