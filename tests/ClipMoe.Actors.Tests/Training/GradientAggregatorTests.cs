using System.Threading.Channels;
using Akka.Actor;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Training;

/// <summary>A step that is held is committed when it is released, or when its generation is to end.</summary>
public sealed class GradientAggregatorTests : IDisposable
{
    private const string Stage = "base";

    private const int First = 4;

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;
    private readonly ActorSystem _system = ActorSystem.Create("aggregator");
    private readonly Channel<object> _said = Channel.CreateUnbounded<object>();
    private readonly StepHolds _holds;
    private readonly IActorRef _aggregator;

    public GradientAggregatorTests()
    {
        _holds = new StepHolds(_folder);
        _holds.Hold(Stage, First + 1);
        _aggregator = _system.ActorOf(Props.Create(() => new Session(_said.Writer, _holds)));
    }

    public void Dispose()
    {
        _system.Terminate().GetAwaiter().GetResult();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Steps_before_the_hold_are_committed_and_the_one_that_is_held_once_it_is_released()
    {
        Compute(First);
        Assert.Equal(First, (await Committed()).Id.Step);
        Compute(First + 1);
        await Held();
        Assert.Equal([new HeldStep(First + 1, 1, 2)], _holds.Held(Stage));
        Assert.False(_said.Reader.TryPeek(out var said), $"{said}");
        _holds.Release(Stage);
        Assert.Equal(First + 1, (await Committed()).Id.Step);
        Assert.Empty(_holds.Held(Stage));
    }

    [Fact]
    public async Task A_generation_that_is_to_end_does_so_with_the_step_that_is_held()
    {
        Compute(First);
        await Committed();
        Compute(First + 1);
        await Held();
        _aggregator.Tell(new HoldGeneration());
        Assert.Equal(First + 1, (await Committed()).Id.Step);
        var next = new StepId(Stage, 1, First + 2);
        foreach (var worker in (int[])[1, 2]) _aggregator.Tell(new StateReached(next, worker, "a"));
        Assert.Equal(new GenerationHeld(1, First + 2), await Said());
        Assert.Empty(_holds.Held(Stage));
    }

    [Fact]
    public async Task A_generation_that_is_given_up_holds_nothing()
    {
        Compute(First);
        await Committed();
        Compute(First + 1);
        await Held();
        await _aggregator.GracefulStop(TimeSpan.FromMinutes(1));
        Assert.Empty(_holds.Held(Stage));
    }

    /// <summary>Both workers report a step.</summary>
    private void Compute(int step)
    {
        foreach (var worker in (int[])[1, 2])
        {
            var metrics = new MetricWriter().Write([(new Subtree(worker - 1, worker), new MetricBag { { StepLoss.Total, 0 } })]);
            _aggregator.Tell(new GradientReady(new StepId(Stage, 1, step), worker, "gradient", "state", metrics));
        }
    }

    private async Task Held()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (_holds.Held(Stage).Count == 0) await Task.Delay(StepHolds.LookEvery, patience.Token);
    }

    private async Task<StepProgress> Committed() => Assert.IsType<StepProgress>(await Said());

    private async Task<object> Said()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        return await _said.Reader.ReadAsync(patience.Token);
    }

    /// <summary>Has the aggregator as its child; what comes from outside goes to it, what it says goes out.</summary>
    private sealed class Session : ReceiveActor
    {
        public Session(ChannelWriter<object> said, StepHolds holds)
        {
            var device = new WorkerDevice("cpu", 1);
            var workers = new[] { 1, 2 }.ToDictionary(
                n => n, n => new Worker(n, ActorRefs.Nobody, new WorkerInfo($"w{n}", device, BulkEndpoint.SameProcess, "there")));
            var members = workers.Keys.Select((n, rank) => new PlannedMember(n, new LeafRange(rank, rank + 1), CatchUp.InPlace)).ToList();
            var plan = new GradientAggregator.Plan(
                Stage, 1, new GenerationPlan(First, members), workers, new HashSet<int>(), 100, 10, StepPace.Unknown)
            {
                Holds = holds,
            };
            var aggregator = Context.ActorOf(Props.Create(() => new GradientAggregator(plan)));
            ReceiveAny(m =>
            {
                if (Sender.Equals(aggregator)) said.TryWrite(m);
                else aggregator.Tell(m);
            });
        }
    }
}
