using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using ClipMoe.Actors.Coordination;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Workers;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Scheduling;

/// <summary>
/// The one scheduler of a cluster: takes experiments in, runs one after another, answers the command line. When its node is lost another
/// node's takes over from the journal.
/// </summary>
public sealed class Scheduler : ReceivePersistentActor, IWithTimers
{
    /// <summary>A third coordinator that is being started, too, has come by then.</summary>
    private static readonly TimeSpan QuorumSettles = TimeSpan.FromSeconds(10);

    /// <param name="Name">Of this node, for people.</param>
    /// <param name="Output">Each experiment has a folder of its name in it.</param>
    /// <param name="Elsewhere">Where files come from that are not in it.</param>
    /// <param name="Report">Writes the report of a finished experiment: its files, relative to the experiment's folder.</param>
    public sealed record SchedulerSettings(
        string Name, string Output, PeerFiles Elsewhere, Func<FinishedExperiment, IReadOnlyList<string>> Report)
    {
        /// <summary>Steps that wait until they are released, in tests and drills.</summary>
        public StepHolds Holds { get; init; } = StepHolds.None;
    }

    private readonly SchedulerSettings _settings;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly NodeList _nodes = new();
    private readonly Watchers _watchers = new();
    private int _coordinators;
    private SchedulerState _state = SchedulerState.Empty;
    private IActorRef _roster = ActorRefs.Nobody;
    private IActorRef _coordinator = ActorRefs.Nobody;
    private RunPosition _position = new(null, null, Paused: false);
    private bool _cancelling;
    private bool _leaving;

    public ITimerScheduler Timers { get; set; } = null!;

    public override string PersistenceId => PersistenceIds.Scheduler;

    public Scheduler(SchedulerSettings settings)
    {
        _settings = settings;
        Recover<SchedulerEvent>(e => _state = _state.Apply(e));
        Recover<RecoveryCompleted>(_ => Persist(new SchedulerStarted(), started =>
        {
            _state = _state.Apply(started);
            Begin();
        }));
        Command<WorkerHello>(m =>
        {
            Join(Sender);
            _roster.Forward(m);
        });
        Command<NodeHello>(Welcome);
        Command<Terminated>(t => Forget(t.ActorRef));
        Command<SubmitExperiment>(Submit);
        Command<GetStatus>(_ =>
        {
            var client = Sender;
            _roster.Ask<WorkerList>(new ListWorkers(), TimeSpan.FromSeconds(5)).PipeTo(Self, client);
        });
        Command<WorkerList>(list => Sender.Tell(StatusWith(list.Workers)));
        Command<WatchExperiment>(Watch);
        Command<ControlExperiment>(ControlOne);
        Command<DrainWorker>(m => _roster.Forward(m));
        Command<DrainAccepted>(accepted =>
        {
            var client = Sender;
            Persist(new WorkerDrained(accepted.Drain.Name, accepted.Drain.Back), drained =>
            {
                _state = _state.Apply(drained);
                client.Tell(new CommandDone(accepted.Message));
            });
        });
        Command<WorkerRetires>(m => _roster.Forward(m));
        Command<ScaleWorkers>(Scale);
        Command<RunEvent>(Show);
        // One that is over may say so twice, and the next runs by then.
        Command<RunOutcome>(_ => Sender.Equals(_coordinator), Over);
        Command<ReportFailed>(failed => End(ExperimentStatus.Failed, $"report: {failed.Cause.Message}", null, []));
        Command<ReportReady>(ready => End(ExperimentStatus.Finished, null, ready.WeightsSha256, ready.Files));
        Command<Status.Failure>(f => _log.Error(f.Cause, "The scheduler could not complete a request"));
        Command<HandOver>(_ => HandOverRun());
        Command<QuorumSettled>(_ =>
        {
            if (CoordinatorQuorum.Warning(_coordinators) is { } warning) _log.Warning("The cluster is at risk: {0}", warning);
        });
    }

    /// <summary>
    /// Ends this scheduler in good order, because its node leaves: the experiment stops at a checkpoint and resumes elsewhere.
    /// </summary>
    public sealed record HandOver;

    private sealed record QuorumSettled;

    private sealed record ReportFailed(Exception Cause);

    private sealed record ReportReady(string WeightsSha256, IReadOnlyList<WrittenFile> Files);

    private QueuedExperiment? Current => _state.Current;

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(RunEvent));

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    private void Begin()
    {
        var term = _state.Terms;
        _log.Info("Scheduler {0} of this cluster runs on {1}", term, _settings.Name);
        var (max, drained) = (_state.MaxWorkers, _state.Drained);
        _roster = Context.ActorOf(Props.Create(() => new WorkerRoster(term, 1, max, drained)), "roster");
        Next();
    }

    private void Next()
    {
        (_position, _cancelling) = (new RunPosition(null, null, Paused: Current?.Wanted == Control.Pause), false);
        if (_leaving) Context.Stop(Self);
        if (Current is not { } next || _leaving) return;
        if (next.Wanted == Control.Cancel)
        {
            // The scheduler that was told of it is gone.
            End(ExperimentStatus.Cancelled, "cancelled", null, []);
            return;
        }
        var folder = new RunFolder(Path.Combine(_settings.Output, next.Id));
        try
        {
            Directory.CreateDirectory(folder.Root);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            End(ExperimentStatus.Failed, $"its folder can't be made: {e.Message}", null, []);
            return;
        }
        var settings = new RunCoordinator.RunSettings(
            next.Id, next.Experiment, next.Hash, folder,
            new RunFiles(folder, next.Experiment.Checkpoints.Keep, _settings.Elsewhere.ForExperiment(next.Id)), _roster)
        {
            Holds = _settings.Holds,
        };
        _coordinator = Context.ActorOf(Props.Create(() => new RunCoordinator(settings)), next.Id);
        Show(new RunStarted(
            next.Experiment.Name, next.Hash, folder.Root, _nodes.Workers, "cluster",
            [.. StagePlan.For(next.Experiment).Stages.Select(PlannedStage.FromSpec)]));
        if (_position.Paused) _coordinator.Tell(new PauseExperiment());
        _coordinator.Tell(new RunExperiment());
    }

    private void Submit(SubmitExperiment submit)
    {
        if (_state.ByRequest(submit.Request) is { } known)
        {
            Sender.Tell(new ExperimentSubmitted(known.Id, _state.Experiments.TakeWhile(e => e != known).Count(e => e.End is null)));
            return;
        }
        var (client, ahead) = (Sender, _state.Experiments.Count(e => e.End is null));
        var id = _state.NextId(submit.Experiment.Name);
        Persist(new Submitted(id, ExperimentJson.Write(submit.Experiment).ToJsonString(), submit.Hash, submit.Request), submitted =>
        {
            _state = _state.Apply(submitted);
            client.Tell(new ExperimentSubmitted(id, ahead));
            if (ahead == 0) Next();
        });
    }

    private void Scale(ScaleWorkers scale)
    {
        if (scale.Max < 1)
        {
            Sender.Tell(new CommandRefused("at least one worker is needed; clipmoe pause makes an experiment wait."));
            return;
        }
        var client = Sender;
        Persist(new WorkersScaled(scale.Max), scaled =>
        {
            _state = _state.Apply(scaled);
            _roster.Tell(scale, client);
        });
    }

    private void Over(RunOutcome outcome)
    {
        Context.Stop(_coordinator);
        _coordinator = ActorRefs.Nobody;
        if (Current is not { } current) return;
        switch (outcome)
        {
            case RunFinished finished:
                var (settings, self) = (_settings, Self);
                Task.Run(() => Report(settings, current, finished.State)).PipeTo(
                    self, failure: e => new ReportFailed(e));
                break;
            case RunFailed { Cause: JournalException }:
                // Nothing can be decided without the journal: the next scheduler resumes from it.
                Context.Stop(Self);
                break;
            case RunFailed failed:
                End(ExperimentStatus.Failed, $"stage {failed.Stage}: {failed.Cause.Message}", null, []);
                break;
            case RunStopped when _cancelling:
                End(ExperimentStatus.Cancelled, "cancelled", null, []);
                break;
            case RunStopped when _leaving:
                Context.Stop(Self);
                break;
        }
    }

    private static ReportReady Report(SchedulerSettings settings, QueuedExperiment experiment, ExperimentState state)
    {
        var folder = new RunFolder(Path.Combine(settings.Output, experiment.Id));
        var written = settings.Report(new FinishedExperiment(experiment.Id, experiment.Experiment, experiment.Hash, folder, state));
        return new ReportReady(
            state.WeightsSha256!, [.. written.Select(f => new WrittenFile(f, FileHash.Sha256OfWritten(folder.Absolute(f)))),
                state.FileOf(StagePlan.Routers)]);
    }

    private void End(ExperimentStatus status, string? message, string? weights, IReadOnlyList<WrittenFile> report)
    {
        if (Current is not { } current) return;
        Persist(new Ended(current.Id, status, message, weights, report), ended =>
        {
            _state = _state.Apply(ended);
            _watchers.Tell(ended.Id, EndOf(ended));
            Next();
        });
    }

    private ExperimentEnded EndOf(Ended end) => new(end.Id, end.Status, end.Message, end.WeightsSha256, end.Report, _nodes.FileServers);

    private void Watch(WatchExperiment watch)
    {
        if (_state[watch.Id] is not { } experiment)
        {
            Sender.Tell(new CommandRefused(watch.Id is null ? "no experiment was submitted yet." : $"there is no experiment {watch.Id}."));
            return;
        }
        if (experiment.End is { } end)
        {
            Sender.Tell(EndOf(end));
            return;
        }
        // Watchers ask again and again.
        if (!_watchers.Add(Context.Watch(Sender), experiment.Id)) return;
        Sender.Tell(new RunStarted(
            experiment.Experiment.Name, experiment.Hash, experiment.Id, _nodes.Workers, "cluster",
            [.. StagePlan.For(experiment.Experiment).Stages.Select(PlannedStage.FromSpec)]));
        if (_position.Progress is { } progress) Sender.Tell(progress);
    }

    private void Show(RunEvent e)
    {
        _position = _position.Apply(e);
        if (Current is { } current) _watchers.Tell(current.Id, e);
    }

    private void ControlOne(ControlExperiment control)
    {
        var (client, idle, decision) = (Sender, Current is null, ControlDecision.Decide(_state, control));
        if (decision.Fact is null)
        {
            client.Tell(new CommandRefused(decision.Answer));
            return;
        }
        Persist(decision.Fact, fact =>
        {
            _state = _state.Apply(fact);
            client.Tell(new CommandDone(decision.Answer));
            if (fact is ControlWanted wanted && Current?.Id == wanted.Id) Carry(wanted.Control);
            if (fact is Reopened && idle) Next();
        });
    }

    private void Carry(Control wanted)
    {
        _cancelling |= wanted == Control.Cancel;
        _coordinator.Tell(wanted switch
        {
            Control.Pause => new PauseExperiment(),
            Control.Resume => new ResumeExperiment(),
            _ => new StopExperiment(),
        });
    }

    private ClusterStatus StatusWith(IReadOnlyList<ListedWorker> workers) => new(
        _settings.Name, _state.Terms, _nodes.Listed, workers, _state.MaxWorkers,
        [.. _state.Experiments.Select(e => e == Current ? _position.List(e) : RunPosition.ListOther(e))]);

    private void Welcome(NodeHello hello)
    {
        Join(Sender);
        if (_nodes.Learn(Sender, hello)) NodesChanged();
    }

    private void Join(IActorRef client)
    {
        if (!_nodes.Add(client)) return;
        Context.Watch(client);
        client.Tell(new FileServers(_nodes.FileServers));
    }

    private void NodesChanged()
    {
        if (_nodes.Coordinators != _coordinators) Timers.StartSingleTimer("quorum", new QuorumSettled(), QuorumSettles);
        _coordinators = _nodes.Coordinators;
        _settings.Elsewhere.Servers = _nodes.FileServers;
        foreach (var client in _nodes.Clients) client.Tell(new FileServers(_nodes.FileServers));
    }

    private void Forget(IActorRef client)
    {
        _watchers.Remove(client);
        if (_nodes.Remove(client)) NodesChanged();
    }

    private void HandOverRun()
    {
        _leaving = true;
        if (_coordinator.IsNobody()) Context.Stop(Self);
        else _coordinator.Tell(new StopExperiment());
    }
}

/// <summary>What a report is made of.</summary>
public sealed record FinishedExperiment(string Id, Experiment Experiment, string Hash, RunFolder Folder, ExperimentState State);
