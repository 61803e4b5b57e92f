using ClipMoe.Actors.Simulation;

namespace ClipMoe.Actors.Tests.Training;

/// <summary>What a worker costs the coordinator, counted at the real serializer, with few and with many workers.</summary>
public sealed class ProtocolScaleTests : IDisposable
{
    private const int Few = 8, Many = 64;

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <param name="Steps">Each of some steps.</param>
    /// <param name="Change">From the last step of one generation to the first of the next, in which there is one worker more.</param>
    private sealed record Costs(IReadOnlyList<(Traffic Sent, Traffic Received)> Steps, (Traffic Sent, Traffic Received) Change);

    private async Task<Costs> Measure(int workers)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, $"{workers}")).FullName;
        await using var simulation = new ProtocolSimulation(workers, leaves: 2 * workers, checkpointEvery: 1_000_000, folder);
        await using var simulated = new SimulatedWorkers(simulation.Address, workers);
        // Steps of two digits: what grows with the number of steps is not looked at here.
        var last = await simulation.NextCommit();
        while (last.Step < 10) last = await simulation.NextCommit();
        var steps = new List<(Traffic, Traffic)>();
        CommitMark before;
        while (last.Step < 20)
        {
            (before, last) = (last, await simulation.NextCommit());
            steps.Add((last.Sent - before.Sent, last.Received - before.Received));
        }

        await using var another = new SimulatedWorkers(simulation.Address, 1, first: workers);
        do (before, last) = (last, await simulation.NextCommit());
        while (last.Generation == before.Generation);
        return new Costs(steps, (last.Sent - before.Sent, last.Received - before.Received));
    }

    [Fact]
    public async Task A_worker_costs_the_coordinator_the_same_whatever_their_number()
    {
        var (few, many) = (await Measure(Few), await Measure(Many));

        // What a worker measures travels as numbers, without their names: a step took 433 bytes when it was losses alone, by their names.
        Assert.All(few.Steps, s => Assert.InRange(s.Received.Bytes / (double)Few, 1, 433));

        // A step is a report from each worker and a commit to each.
        Assert.All(few.Steps, s => Assert.Equal((Few, Few), (s.Sent.Messages, s.Received.Messages)));
        Assert.All(many.Steps, s => Assert.Equal((Many, Many), (s.Sent.Messages, s.Received.Messages)));
        // The commit, then a generation and its first step: three sent and one received; one or two more where another step came between.
        foreach (var (change, members) in new[] { (few.Change, Few + 1.0), (many.Change, Many + 1.0) })
        {
            Assert.InRange(change.Sent.Messages / members, 1, 5);
            Assert.InRange(change.Received.Messages / members, 1, 4);
        }

        // Bytes grow by digits alone, so with the logarithm of the number of workers: of a worker's own number in its report, ...
        foreach (var (step, ofMany) in few.Steps.Zip(many.Steps))
        {
            Assert.Equal(step.Sent.Bytes / (double)Few, ofMany.Sent.Bytes / (double)Many);
            Assert.InRange(ofMany.Received.Bytes / (double)Many - step.Received.Bytes / (double)Few, 0, 1);
        }
        // ... and of what a generation's members are told: their rank, their leaves, the end of the members, the one that came, with its
        // address, and when that was; the newcomer's list of all others is packed the better the longer it is. One for all would add
        // thousands.
        Assert.InRange(many.Change.Sent.Bytes / (double)(Many + 1), 1, few.Change.Sent.Bytes / (double)(Few + 1) + 300);
    }
}
