namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>kill -9 while a worker that came back copies the state of another.</summary>
[Collection(ScenarioCollection.Name)]
public sealed class HealingTests
{
    [Fact]
    public async Task Who_copies_is_killed_and_so_is_who_is_copied_from()
    {
        // Long enough for a worker that was killed to come back to the stage, again and again.
        string[] longer = ["--set", "base.steps=1500"];
        var expected = await UndisturbedRun.Of(longer);
        await using var cluster = new TestCluster();
        // After its death nobody has the state: it is the last checkpoint's again.
        var donor = cluster.Start(coordinator: true, workers: 1, "kill@base:*:serve");
        // Killed once more, so that there is a second copy whichever of the two dies in the first.
        var joiner = cluster.Start(coordinator: false, workers: 1, "kill@base:5:gradient", "kill@base:*:copy", "kill@base:700:gradient");
        await cluster.UntilWorkers(2);
        using var run = cluster.Submit(longer);
        Assert.True(expected == await run.End(), cluster.Log());
        AssertHappened(joiner, "fault-Kill-base-any-Copy");
        AssertHappened(donor, "fault-Kill-base-any-Serve");
        Ledger.AssertEachSampleOncePerEpoch(donor.Output);
    }

    private static void AssertHappened(TestNode node, string fault) =>
        Assert.True(File.Exists(Path.Combine(node.Output, fault)), $"{fault} did not happen");
}
