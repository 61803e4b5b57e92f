namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Disks of nodes are full for a while.</summary>
[Trait("Category", "Scenario")]
public sealed class FullDiskTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    private const int Megabytes = 200;

    [DiskFact]
    public async Task It_says_so_and_continues_once_there_is_space()
    {
        await using var cluster = new TestCluster();
        using var journalDisk = SmallDisk.Mount(cluster.OutputOf(0), Megabytes);
        using var workerDisk = SmallDisk.Mount(cluster.OutputOf(1), Megabytes);
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(1);

        // The only worker can't write a checkpoint: the run ends there, with everything up to the one before.
        cluster.Holds.Hold("base", 15);
        using var failed = cluster.Submit();
        await failed.UntilSaved("base", 10);
        workerDisk.Fill();
        cluster.Holds.Hold("base", 25);
        Assert.Equal(1, await failed.ExitCode());
        Assert.Contains(failed.Warnings, w => w.Contains($"the disk of {cluster.OutputOf(1)}") && w.Contains("is full"));
        cluster.Holds.Hold("base", 15);
        workerDisk.Free();
        await cluster.Ask("resume");
        // What is told before it watches it never hears of.
        using var run = cluster.Watch();
        await run.Until("run_started");
        cluster.Holds.Hold("base", 25);

        // The journal can't be written: the run waits.
        await run.UntilSaved("base", 20);
        journalDisk.Fill();
        cluster.Holds.Release("base");
        Assert.Contains("the journal can't be written", (await run.Until("run_warning")).GetProperty("message").GetString());
        journalDisk.Free();

        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }
}
