using System.Diagnostics;
using ClipMoe.Actors.Faults;
using Xunit.Abstractions;

namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Links go down between machines: nothing is closed, what is sent is lost.</summary>
[Collection(NetworkCollection.Name)]
[Trait("Category", "Scenario")]
public sealed class PartitionTests(UndisturbedRun undisturbed, ITestOutputHelper output) : IClassFixture<UndisturbedRun>
{
    [NetworkFact]
    public async Task A_minority_stops_itself_and_comes_back_and_no_two_trainings_run()
    {
        using var network = VirtualNetwork.Create(hosts: 3);
        await using var postgres = await PostgresServer.Start(network.OwnAddress);
        await using var cluster = new TestCluster(postgres.ConnectionString, network);
        cluster.StartThreeCoordinators();
        await cluster.UntilWorkers(3);
        cluster.Holds.Hold("base", 12);
        using var run = cluster.Submit();
        var held = await cluster.Holds.Until("base", workers: 3);
        var scheduler = cluster.HostOf((await cluster.Status()).GetProperty("coordinator").GetString()!);
        var other = (scheduler + 1) % 3;

        // One that only computes: the others continue without it, and are held until it is back.
        network.TakeDown(other);
        var (down, clock) = (DateTime.UtcNow, Stopwatch.StartNew());
        cluster.Holds.Hold("base", 16);
        await run.UntilTrainedBy(2, after: held.Generation);
        output.WriteLine($"link of a worker down: the next step was committed after {clock.Elapsed.TotalSeconds:0.0} s");
        var cut = await cluster.Nodes[other].UntilLogged("removed from the cluster", down);
        network.BringUp(other);
        await cluster.Holds.Until("base", workers: 3);
        // Were the next cut to come before the third node knows that this one is back, it would count itself a minority, too.
        await cluster.Nodes[3 - scheduler - other].UntilLogged($"coordinator {cluster.Nodes[other].Address} is in the cluster", cut);

        // The one that runs the experiment: the other two continue with what is in the journal.
        scheduler = cluster.HostOf((await cluster.Status()).GetProperty("coordinator").GetString()!);
        network.TakeDown(scheduler);
        down = DateTime.UtcNow;
        clock.Restart();
        cluster.Holds.Release("base");
        var stopped = await cluster.Nodes[scheduler].UntilLogged("removed from the cluster", down);
        var moved = await run.UntilStarted(down);
        output.WriteLine($"link of the coordinator's node down: another one runs the experiment after {clock.Elapsed.TotalSeconds:0.0} s");
        await run.Until("stage_progress");
        output.WriteLine($"link of the coordinator's node down: the next step was committed after {clock.Elapsed.TotalSeconds:0.0} s");
        network.BringUp(scheduler);
        Assert.True(stopped < moved, "another coordinator began before the one that was cut off had stopped");

        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        await cluster.UntilWorkers(3);
        Ledger.AssertEachSampleOncePerEpoch(postgres.ConnectionString, cluster.Fetched, "tiny-1");
        // A machine may be so slow that another node seems to be cut off, too; no two coordinators run the experiment at a time.
        var turns = Ledger.AssertOneCoordinatorAtATime(postgres.ConnectionString);
        Assert.InRange(turns, 2, (await cluster.Status()).GetProperty("term").GetInt32());
    }
}
