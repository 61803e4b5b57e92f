using ClipMoe.Actors.Faults;

namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>The number of workers that are given work is changed while training.</summary>
[Trait("Category", "Scenario")]
public sealed class ScaleTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task Reserves_take_the_places_of_the_lost_and_the_number_outlives_the_coordinator()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        var workers = cluster.Start(coordinator: false, workers: 3);
        await cluster.UntilWorkers(3);
        Assert.Contains("at most 2 workers are active; 1 of 3 are in reserve.", await cluster.Ask("scale", "2"));
        var states = await States(cluster);
        cluster.Holds.Hold("base", 5);
        using var run = cluster.Submit();
        var held = await cluster.Holds.Until("base", workers: 2);

        // The reserve takes the place of a worker that is killed; that one is the reserve when it is back.
        var (working, reserve) = (states.First(s => s.Value == "active").Key, states.Single(s => s.Value == "reserve").Key);
        workers.KillWorker(int.Parse(working[(working.IndexOf('#') + 1)..]));
        await cluster.Until(async () => await States(cluster) is var now && now.GetValueOrDefault(reserve) == "active"
            && now.GetValueOrDefault(working) == "reserve");
        await cluster.Holds.Until("base", workers: 2, after: held.Generation);

        await cluster.Ask("scale", "all");
        await cluster.Holds.Until("base", workers: 3);
        await cluster.Ask("scale", "1");
        // The last step before two of them are let go.
        await run.UntilTrainedBy(3);
        await cluster.Holds.Until("base", workers: 1);
        await coordinator.Restart();
        await cluster.Holds.Until("base", workers: 1);
        Assert.Equal(1, (await cluster.Status()).GetProperty("max_workers").GetInt32());
        await cluster.Until(async () => (await States(cluster)).Values.Order().SequenceEqual(["active", "reserve", "reserve"]));
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
    }

    private static async Task<Dictionary<string, string>> States(TestCluster cluster) =>
        (await cluster.Status()).GetProperty("workers").EnumerateArray().ToDictionary(w => w.GetProperty("name").GetString()!,
            w => w.GetProperty("state").GetString()!);
}
