namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Workers that come, go, pause and stand still in the middle of a stage.</summary>
[Collection(ScenarioCollection.Name)]
public sealed class ElasticityTests(UndisturbedRun undisturbed)
{
    [Fact]
    public async Task A_node_is_added_in_mid_epoch_and_another_leaves_in_good_order()
    {
        // Long enough for who is killed to come back before it ends.
        string[] longer = ["--set", "base.steps=500"];
        var expected = await UndisturbedRun.Of(longer);
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        await cluster.UntilWorkers(1);
        using var run = cluster.Submit(longer);
        await run.Until("stage_progress", "base", done: 10);
        var added = cluster.Start(coordinator: false, workers: 2);
        await run.UntilTrainedBy(3);
        // Who joins waits for the step in flight, and the others for it in the next one.
        Assert.True(Repeated() == 0, cluster.Log());
        added.KillWorker();
        await run.UntilTrainedBy(2);
        await run.UntilTrainedBy(3);
        // The step in which it died, and at most one for its coming back.
        Assert.True(Repeated() is 1 or 2, cluster.Log());
        Assert.Equal(0, await added.Terminate());
        await run.UntilTrainedBy(1);
        Assert.True(expected == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);

        int Repeated() => run.Warnings.Count(w => w.Contains("the step is done again")) + CommittedStep.InVain(run.Commits, "base");
    }

    [Fact]
    public async Task Two_of_four_workers_are_killed_at_once()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 4);
        await cluster.UntilWorkers(4);
        using var run = cluster.Submit();
        await run.Until("stage_progress", "base", done: 20);
        coordinator.KillWorker(1);
        coordinator.KillWorker(2);
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }

    [Fact]
    public async Task A_worker_that_stands_still_delays_and_never_corrupts()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 2, "stop@base:40:gradient", "stop@mcl-1:10:features");
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit();
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        Assert.NotEmpty(Directory.GetFiles(coordinator.Output, "fault-Stop-*"));
    }

    [Fact]
    public async Task A_replica_with_a_flipped_bit_is_named_and_healed_from_the_majority()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 3, "corrupt@base:50:commit");
        await cluster.UntilWorkers(3);
        using var run = cluster.Submit();
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Assert.Contains(run.Warnings, w => w.Contains("replicas disagree at step 51") && w.Contains($"{coordinator.Address}/cpu#0"));
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }

    [Fact]
    public async Task Paused_it_waits_with_a_checkpoint_also_under_another_coordinator_and_resumed_it_goes_on()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 2);
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit();
        await run.Until("stage_progress", "base", done: 15);
        await cluster.Ask("pause");
        await run.Until("run_paused");
        Assert.Equal("paused", await Experiment());
        await cluster.Ask("drain", $"{coordinator.Address}/cpu#1");
        await coordinator.Restart();
        await cluster.UntilWorkers(1);
        await cluster.Until(async () => (await cluster.Status()).GetProperty("workers").EnumerateArray().Any(w => w.GetProperty("state").GetString() == "drained"));
        Assert.Equal("paused", await Experiment());
        await cluster.Ask("resume");
        await run.UntilTrainedBy(1);
        await cluster.Ask("drain", $"{coordinator.Address}/cpu#1", "--back");
        await run.UntilTrainedBy(2);
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);

        async Task<string?> Experiment() => (await cluster.Status()).GetProperty("experiments")[0].GetProperty("status").GetString();
    }

    [Fact]
    public async Task Cancelled_it_ends_at_a_checkpoint_and_the_next_experiment_runs()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        await cluster.UntilWorkers(1);
        using var first = cluster.Submit("--set", "base.steps=5000");
        await first.Until("stage_progress", "base", done: 3);
        using var second = cluster.Submit();
        await cluster.Ask("cancel");
        Assert.Equal(130, await first.ExitCode());
        Assert.True(undisturbed.WeightsSha256 == await second.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output, "tiny-2");
    }
}
