namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>The number of workers that are given work is changed while training.</summary>
[Collection(ScenarioCollection.Name)]
public sealed class ScaleTests
{
    [Fact]
    public async Task Reserves_take_the_places_of_the_lost_and_the_number_outlives_the_coordinator()
    {
        // Long enough for a few commands in the first stage.
        string[] longer = ["--set", "base.steps=240", "--set", "evaluation.compare=[direct]"];
        var expected = await UndisturbedRun.Of(longer);
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        var workers = cluster.Start(coordinator: false, workers: 3);
        await cluster.UntilWorkers(3);
        Assert.Contains("at most 2 workers are given work; 1 of 3 stay in reserve.", await cluster.Ask("scale", "2"));
        var states = await States(cluster);
        using var run = cluster.Submit(longer);
        await run.UntilTrainedBy(2);

        // The reserve takes the place of a worker that is killed; that one is the reserve when it is back.
        var (working, reserve) = (states.First(s => s.Value == "active").Key, states.Single(s => s.Value == "reserve").Key);
        workers.KillWorker(int.Parse(working[(working.IndexOf('#') + 1)..]));
        await run.UntilTrainedBy(2);
        await cluster.Ask("pause");
        await cluster.Until(async () => await States(cluster) is var now && now.GetValueOrDefault(reserve) == "active" && now.GetValueOrDefault(working) == "reserve");

        await cluster.Ask("scale", "all");
        await cluster.Ask("resume");
        await run.UntilTrainedBy(3);
        await cluster.Ask("scale", "1");
        await run.UntilTrainedBy(1);
        await coordinator.Restart();
        await run.Until("stage_started", "direct");
        Assert.Equal(1, (await cluster.Status()).GetProperty("max_workers").GetInt32());
        await cluster.Until(async () => (await States(cluster)).Values.Order().SequenceEqual(["active", "reserve", "reserve"]));
        Assert.True(expected == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }

    private static async Task<Dictionary<string, string>> States(TestCluster cluster) =>
        (await cluster.Status()).GetProperty("workers").EnumerateArray().ToDictionary(w => w.GetProperty("name").GetString()!, w => w.GetProperty("state").GetString()!);
}
