using System.Threading.Channels;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Tests.Training;

/// <summary>A stage that loses its workers, by which none of them has the state any more.</summary>
public sealed class TrainingSessionTests : IDisposable
{
    private const string Stage = StagePlan.Base;

    private const int Steps = 100;

    private readonly ActorSystem _system = ActorSystem.Create("training");
    private readonly Channel<object> _said = Channel.CreateUnbounded<object>();
    private readonly IActorRef _session;

    public TrainingSessionTests() => _session = _system.ActorOf(Props.Create(() => new Coordinator(_said.Writer)));

    public void Dispose() => _system.Terminate().GetAwaiter().GetResult();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_stops_or_pauses_when_all_are_gone_before_the_last_of_them_was_ready(bool stops)
    {
        _session.Tell(Joined(1, "a"));
        _session.Tell(stops ? new StopExperiment() : new PauseExperiment());
        _session.Tell(new WorkerGone(1, "it was killed"));
        _session.Tell(new WorkerGone(2, "it was killed"));
        await Ends(stops);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_stops_or_pauses_at_the_checkpoint_when_no_majority_of_replicas_is_right(bool stops)
    {
        _session.Tell(Joined(1, "a"));
        _session.Tell(stops ? new StopExperiment() : new PauseExperiment());
        _session.Tell(Joined(2, "b"));
        await Ends(stops);
    }

    [Fact]
    public async Task A_worker_that_fails_again_after_the_stage_continued_without_it_does_not_end_it()
    {
        var failure = new WorkFailed(Stage, 1, new WorkFailure(FailureKind.Fault, "it failed"));
        _session.Tell(failure);
        _session.Tell(failure);
        _session.Tell(Joined(2, "a"));
        Assert.IsType<JournalFact>(await Next());
        _session.Tell(new WorkFailed(Stage, 2, failure.Failure));
        Assert.IsType<StageFailed>(await Next());
    }

    [Fact]
    public async Task It_is_done_once_even_if_two_workers_write_the_last_checkpoint()
    {
        _session.Tell(Joined(1, "a", Steps));
        _session.Tell(Joined(2, "a", Steps));
        Assert.IsType<JournalFact>(await Next());
        _session.Tell(Written(1));
        _session.Tell(new FactJournaled(Assert.IsType<JournalFact>(await Next()).Fact));
        Assert.Equal(Steps, Assert.IsType<CompleteStage>(await Next()).Result.Steps);
        _session.Tell(Written(2));
        _session.Tell(new WorkFailed(Stage, 2, new WorkFailure(FailureKind.WrongInput,
            "it is said next, and shows that nothing was before")));
        Assert.IsType<StageFailed>(await Next());
    }

    private static StageJoined Joined(int worker, string state, int step = 0) =>
        new(Stage, worker, Steps, new ReplicaPosition(step, state, null, null));

    private static CheckpointWritten Written(int worker) => new(Stage, Steps, worker, "manifest", new WrittenFile("model", "hash"));

    private async Task Ends(bool stops)
    {
        Assert.IsType<JournalFact>(await Next());
        var ended = await Next();
        Assert.Equal<object>(stops ? new StageStopped(Stage) : new StagePaused(Stage), ended);
    }

    private async Task<object> Next()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        return await _said.Reader.ReadAsync(patience.Token);
    }

    /// <summary>Has the session as its child; what comes from outside goes to it, what it says goes out.</summary>
    private sealed class Coordinator : ReceiveActor
    {
        public Coordinator(ChannelWriter<object> said)
        {
            var spec = StagePlan.For(TestExperiments.Small).Stages.OfType<TrainModel>().First(s => s.Name == Stage);
            var settings = new TrainingSession.SessionSettings(new JoinStage(spec, 0, 0, null, null, null), null, 8, 16, 10, 1, 0, null);
            Worker[] workers = [.. new[] { 1, 2 }.Select(n =>
                new Worker(n, ActorRefs.Nobody, new WorkerInfo($"w{n}", new WorkerDevice("cpu", 1), BulkEndpoint.SameProcess, "there")))];
            var session = Context.ActorOf(Props.Create(() => new TrainingSession(settings, workers)));
            ReceiveAny(m =>
            {
                if (Sender.Equals(session)) said.TryWrite(m);
                else session.Tell(m);
            });
        }
    }
}
