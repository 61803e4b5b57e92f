using System.Threading.Channels;
using Akka.Actor;
using Akka.Persistence;
using ClipMoe.Actors.Coordination;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Journal;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Tests.Stages;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Tests.Coordination;

/// <summary>All stages of a run are done, by nodes that are about to leave.</summary>
public sealed class RunCoordinatorTests : IDisposable
{
    private const string Id = "small-1";

    private static readonly Experiment Experiment = TestExperiments.Small with { Evaluation = new EvaluationSettings { Compare = [] } };

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;
    private readonly Channel<object> _worker = Channel.CreateUnbounded<object>();
    private readonly ActorSystem _system;
    private readonly RunFolder _here;

    public RunCoordinatorTests()
    {
        _here = new RunFolder(Path.Combine(_folder, "here"));
        Directory.CreateDirectory(_here.Root);
        _system = ActorSystem.Create("coordinator", JournalConfiguration.Sqlite(_here.Journal));
    }

    public void Dispose()
    {
        _system.Terminate().GetAwaiter().GetResult();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Results_are_fetched_before_a_run_is_finished()
    {
        var results = await AllDone();
        var finished = Assert.IsType<RunFinished>(await Run().WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal(finished.State.Completed[StagePlan.Routers].Sha256, finished.State.WeightsSha256);
        Assert.All(results, r => Assert.Equal(r.Sha256, FileHash.Sha256OrNull(_here.Absolute(r.Path))));
    }

    [Fact]
    public async Task A_result_that_no_node_has_as_it_was_is_made_again_before_a_run_is_finished()
    {
        var figures = (await AllDone()).Single(r => r.Path == RunFolder.ModelFile(StagePlan.Evaluate));
        File.AppendAllText(Path.Combine(_folder, "node-1", figures.Path), "x");
        var outcome = Run();
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        Assert.Equal("base", Assert.IsType<EvaluateModel>(await _worker.Reader.ReadAsync(patience.Token)).Model);
        Assert.False(outcome.IsCompleted);
    }

    [Fact]
    public async Task A_stage_is_done_when_its_own_actor_says_so()
    {
        var figures = (await AllDone()).Single(r => r.Path == RunFolder.ModelFile(StagePlan.Evaluate));
        File.AppendAllText(Path.Combine(_folder, "node-1", figures.Path), "x");
        var coordinator = Coordinator(Roster());
        var outcome = coordinator.Ask<RunOutcome>(new RunExperiment());
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        await _worker.Reader.ReadAsync(patience.Token);
        coordinator.Tell(new CompleteStage(StagePlan.Evaluate, new StageResult(figures.Path, figures.Sha256, 1)));
        coordinator.Tell(new StopExperiment());
        Assert.IsType<RunStopped>(await outcome.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.DoesNotContain(StagePlan.Evaluate, JournalReader.Read(_here.Journal, Id).Completed.Keys);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_worker_that_refuses_is_gone_on_without_whether_it_answers_first_or_last(int refuses)
    {
        await AllDone();
        var outcome = await Run(new Dictionary<int, bool> { [1] = refuses != 1, [2] = refuses != 2 }).WaitAsync(TimeSpan.FromMinutes(1));
        Assert.IsType<RunFinished>(outcome);
    }

    [Fact]
    public async Task Where_all_refuse_the_run_fails_with_the_reason()
    {
        await AllDone();
        var outcome = await Run(new Dictionary<int, bool> { [1] = false, [2] = false }).WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(OneByOne.Reason, Assert.IsType<RunFailed>(outcome).Cause.Message);
    }

    [Fact]
    public async Task A_worker_without_the_data_set_that_is_the_first_after_a_restart_does_not_end_the_run()
    {
        await AllDone(new DataPrepared("", 1, 1, 0, "", []));
        var roster = _system.ActorOf(Props.Create(() => new Lacking()));
        Assert.IsType<RunFinished>(await Run(roster).WaitAsync(TimeSpan.FromMinutes(1)));
    }

    /// <summary>A journal in which all stages are completed, and a node that has what they made.</summary>
    private async Task<IReadOnlyList<WrittenFile>> AllDone(params ExperimentEvent[] more)
    {
        List<WrittenFile> results = [.. new[] { StagePlan.Base, StagePlan.Routers, StagePlan.Evaluate }.Select(Result)];
        var files = results.ToDictionary(r => r.Path);
        ExperimentEvent[] facts =
        [
            new ExperimentAccepted(Experiment.Name, "hash", ""),
            new CoordinatorStarted(),
            .. more,
            .. StagePlan.For(Experiment).Stages.Select(s => new StageCompleted(
                s.Name, files.TryGetValue(RunFolder.ModelFile(s.Name), out var file) ? new StageResult(file.Path, file.Sha256, 1)
                : new StageResult(null, null, 1))),
        ];
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var journal = _system.ActorOf(Props.Create(() => new Facts(facts, written)));
        await written.Task;
        await journal.GracefulStop(TimeSpan.FromMinutes(1));
        return results;
    }

    private WrittenFile Result(string stage)
    {
        var file = RunFolder.ModelFile(stage);
        var path = Path.Combine(_folder, "node-1", file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, stage);
        return new WrittenFile(file, FileHash.Sha256OfWritten(path));
    }

    /// <param name="opens">By number: whether that worker can open the experiment.</param>
    private IActorRef Roster(IReadOnlyDictionary<int, bool>? opens = null)
    {
        opens ??= new Dictionary<int, bool> { [1] = true };
        return _system.ActorOf(Props.Create(() => new OneByOne(opens, _worker.Writer)));
    }

    private Task<RunOutcome> Run(IReadOnlyDictionary<int, bool>? opens = null) => Run(Roster(opens));

    private Task<RunOutcome> Run(IActorRef roster) => Coordinator(roster).Ask<RunOutcome>(new RunExperiment());

    private IActorRef Coordinator(IActorRef roster)
    {
        var settings = new RunCoordinator.RunSettings(Id, Experiment, "hash", _here, new RunFiles(_here, 2, new NodeFolders(_folder)),
            roster);
        return _system.ActorOf(Props.Create(() => new RunCoordinator(settings)));
    }

    private sealed class Facts : ReceivePersistentActor
    {
        public Facts(IReadOnlyList<ExperimentEvent> facts, TaskCompletionSource written)
        {
            var left = facts.Count;
            Recover<RecoveryCompleted>(_ => PersistAll(facts, _ =>
            {
                if (--left == 0) written.SetResult();
            }));
        }

        public override string PersistenceId => Id;
    }

    private static WorkerArrived Arrived(int number, IActorRef worker) =>
        new(new Worker(number, worker, new WorkerInfo($"w{number}", new WorkerDevice("cpu", 1), BulkEndpoint.SameProcess, "there")));

    /// <summary>A roster whose second worker comes when the first, which has no data set, has refused.</summary>
    private sealed class Lacking : ReceiveActor
    {
        public Lacking()
        {
            var asked = 0;
            Receive<WatchWorkers>(_ => Sender.Tell(Arrived(1, Self)));
            Receive<OpenExperiment>(m =>
            {
                Sender.Tell(++asked == 1
                    ? new ExperimentRefused(m.Id, asked,
                        WorkFailure.FromException(new UserErrorException("There is no data set.") { IsMissing = true }))
                    : new ExperimentOpened(m.Id, asked, WithData: true));
                if (asked == 1) Sender.Tell(Arrived(2, Self));
            });
            ReceiveAny(_ => { });
        }
    }

    /// <summary>
    /// A roster whose workers answer in the order of their numbers, once all are asked; what else they are told goes out.
    /// </summary>
    private sealed class OneByOne : ReceiveActor
    {
        public const string Reason = "the data set is not there";

        public OneByOne(IReadOnlyDictionary<int, bool> opens, ChannelWriter<object> told)
        {
            var asked = 0;
            Receive<WatchWorkers>(_ =>
            {
                foreach (var number in opens.Keys.Order())
                    Sender.Tell(Arrived(number, Self));
            });
            Receive<OpenExperiment>(m =>
            {
                if (++asked < opens.Count) return;
                foreach (var (number, can) in opens.OrderBy(o => o.Key))
                    Sender.Tell(can ? new ExperimentOpened(m.Id, number, WithData: false)
                        : new ExperimentRefused(m.Id, number, WorkFailure.FromException(new IOException(Reason))));
            });
            ReceiveAny(m => told.TryWrite(m));
        }
    }
}
