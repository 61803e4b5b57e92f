namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Workers that come, go, pause and stand still in the middle of a stage.</summary>
[Trait("Category", "Scenario")]
public sealed class ElasticityTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task A_node_is_added_in_mid_epoch_and_another_leaves_in_good_order()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        await cluster.UntilWorkers(1);
        cluster.Holds.Hold("base", 10);
        using var run = cluster.Submit();
        await cluster.Holds.Until("base", workers: 1);
        var added = cluster.Start(coordinator: false, workers: 2);
        await TrainedBy(3);
        // A joining worker waits for the step in flight, and the others for it in the next one.
        AssertRepeated(least: 0, most: 0);
        added.KillWorker();
        await run.UntilTrainedBy(2);
        await TrainedBy(3);
        // The step in which it died, and at most one for its coming back.
        AssertRepeated(least: 1, most: 2);
        Assert.Equal(0, await added.Terminate());
        await TrainedBy(1);
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);

        async Task TrainedBy(int workers)
        {
            await cluster.Holds.Until("base", workers);
            await cluster.Holds.Advance("base", 2);
            await run.UntilTrainedBy(workers);
        }

        // A worker that is too slow, or can't be reached for a while, has a step repeated as one that is killed does. On a machine that is
        // slow enough all lose sight of the coordinator, whose next session knows nothing of what was to be repeated.
        void AssertRepeated(int least, int most)
        {
            var slow = run.Warnings.Count(w => w.Contains("is overdue after") || (w.Contains("is gone")
                && !w.Contains($"{added.Address}/cpu#0")));
            var (inVain, resumed) = CommittedStep.Repetitions(run.Commits, "base");
            var repeated = run.Warnings.Count(w => w.Contains("retrying the step")) + inVain;
            Assert.True(
                repeated + resumed >= least && repeated <= most + 2 * (slow + resumed),
                $"{repeated} repeated, {slow} slow, {resumed} times resumed\n{cluster.Log()}");
        }
    }

    [Fact]
    public async Task Of_four_workers_two_are_killed_at_once_one_stands_still_and_a_flipped_bit_is_healed_from_the_majority()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(
            coordinator: true, workers: 4, "stop@base:40:gradient", "corrupt@base:50:commit", "stop@mcl-1:10:features");
        await cluster.UntilWorkers(4);
        cluster.Holds.Hold("base", 20);
        using var run = cluster.Submit();
        await cluster.Holds.Until("base", workers: 4);
        coordinator.KillWorker(1);
        coordinator.KillWorker(2);
        // For a majority they must be back when the bit flips.
        cluster.Holds.Hold("base", 45);
        await run.UntilSaved("base", 40);
        await cluster.Holds.Until("base", workers: 4);
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        foreach (var fault in (string[])["fault-Stop-base-40-Gradient", "fault-Corrupt-base-50-Commit", "fault-Stop-mcl-1-10-Features"])
            Assert.True(coordinator.Happened(fault), $"{fault} did not happen\n{cluster.Log()}");
        Assert.Contains(run.Warnings, w => w.Contains("replicas disagree at step 51") && w.Contains($"{coordinator.Address}/cpu#0"));
    }

    [Fact]
    public async Task One_is_cancelled_and_the_next_stays_paused_also_under_another_coordinator_and_resumes()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 2);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 3);
        using var cancelled = cluster.Submit();
        await cluster.Holds.Until("base");
        using var run = cluster.Submit();
        await cluster.Ask("cancel", "tiny-1");
        Assert.Equal(130, await cancelled.ExitCode());

        cluster.Holds.Hold("base", 15);
        await run.UntilSaved("base", 10);
        await cluster.Holds.Until("base", workers: 2);
        await cluster.Ask("pause");
        await run.Until("run_paused");
        Assert.Equal("paused", await Experiment());
        await cluster.Ask("drain", $"{coordinator.Address}/cpu#1");
        await coordinator.Restart();
        await cluster.UntilWorkers(1);
        await cluster.Until(async () => (await cluster.Status()).GetProperty("workers").EnumerateArray()
            .Any(w => w.GetProperty("state").GetString() == "drained"));
        Assert.Equal("paused", await Experiment());
        await cluster.Ask("resume");
        await cluster.Holds.Until("base", workers: 1);
        await cluster.Ask("drain", $"{coordinator.Address}/cpu#1", "--back");
        // The step for which the one waits that comes back.
        await run.UntilTrainedBy(1);
        await cluster.Holds.Until("base", workers: 2);
        cluster.Holds.Release("base");
        await run.UntilTrainedBy(2);
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output, "tiny-2");

        async Task<string?> Experiment() => (await cluster.Status()).GetProperty("experiments")[1].GetProperty("status").GetString();
    }
}
