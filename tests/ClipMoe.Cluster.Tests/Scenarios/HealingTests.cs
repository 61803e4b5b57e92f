namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>kill -9 while a worker that came back copies the state of another.</summary>
[Collection(ScenarioCollection.Name)]
public sealed class HealingTests
{
    [Fact]
    public async Task Who_copies_is_killed_in_one_stage_and_who_is_copied_from_in_another()
    {
        // Long enough for a worker that was killed in the last stage to come back to it.
        string[] longer = ["--set", "router.steps=200"];
        var expected = await UndisturbedRun.Of(longer);
        await using var cluster = new TestCluster();
        var donor = cluster.Start(coordinator: true, workers: 1, "kill@direct:*:serve");
        var joiner = cluster.Start(coordinator: false, workers: 1, "kill@base:5:gradient", "kill@base:*:copy", "kill@direct:5:gradient");
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit(longer);

        await run.Until("stage_started", "base");
        await LetItJoin();
        AssertHappened(joiner, "fault-Kill-base-any-Copy");

        // Nobody is left who has the state: it is the last checkpoint's again.
        await run.Until("stage_started", "direct");
        await LetItJoin();
        AssertHappened(donor, "fault-Kill-direct-any-Serve");

        Assert.True(expected == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(donor.Output);

        // The run is held while the worker that was killed starts again, so that there is a stage left for it to come back to.
        async Task LetItJoin()
        {
            await run.UntilTrainedBy(1);
            await cluster.Ask("pause");
            await run.Until("run_paused");
            await cluster.UntilWorkers(2);
            await cluster.Ask("resume");
            await run.Until("stage_progress");
        }
    }

    private static void AssertHappened(TestNode node, string fault) =>
        Assert.True(File.Exists(Path.Combine(node.Output, fault)), $"{fault} did not happen");
}
