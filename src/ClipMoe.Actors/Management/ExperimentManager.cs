using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Management;

/// <summary>
/// The one manager of a cluster: takes experiments in, runs one after another, answers the command line. When its node is lost another node's
/// takes over from the journal.
/// </summary>
public sealed class ExperimentManager : ReceivePersistentActor, IWithTimers
{
    /// <summary>A third coordinator that is being started, too, has come by then.</summary>
    private static readonly TimeSpan QuorumSettles = TimeSpan.FromSeconds(10);

    /// <param name="Name">Of this node, for people.</param>
    /// <param name="Output">Each experiment has a folder of its name in it.</param>
    /// <param name="Elsewhere">Where files come from that are not in it.</param>
    /// <param name="Report">Writes the report of a finished experiment: its files, relative to the experiment's folder.</param>
    public sealed record Settings(
        string Name, string Output, PeerFiles Elsewhere, Func<FinishedExperiment, IReadOnlyList<string>> Report);

    private readonly Settings _settings;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<string, NodeHello> _nodes = [];
    private readonly HashSet<IActorRef> _fileClients = [];
    private readonly Dictionary<IActorRef, string> _watchers = [];
    private int _coordinators;
    private ManagerState _state = ManagerState.Empty;
    private IActorRef _roster = ActorRefs.Nobody;
    private IActorRef _coordinator = ActorRefs.Nobody;
    private StageProgress? _progress;
    private string? _stage;
    private bool _paused;
    private bool _cancelling;
    private bool _leaving;

    public ITimerScheduler Timers { get; set; } = null!;

    public override string PersistenceId => "experiments";

    public ExperimentManager(Settings settings)
    {
        _settings = settings;
        Recover<ManagerEvent>(e => _state = _state.Apply(e));
        Recover<RecoveryCompleted>(_ => Persist(new ManagerStarted(), started =>
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
        Command<ControlExperiment>(ControlCurrent);
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
        Command<RunOutcome>(Over);
        Command<ReportReady>(ready => End(ExperimentStatus.Finished, null, ready.WeightsSha256, ready.Files));
        Command<Status.Failure>(f => _log.Error(f.Cause, "The manager could not finish what it was asked for"));
        Command<HandOver>(_ => HandOverRun());
        Command<QuorumSettled>(_ =>
        {
            if (CoordinatorQuorum.Warning(_coordinators) is { } warning) _log.Warning("The cluster can be lost: {0}", warning);
        });
    }

    /// <summary>Ends this manager in good order, because its node leaves: the experiment stops at a checkpoint and goes on elsewhere.</summary>
    public sealed record HandOver;

    private sealed record QuorumSettled;

    private sealed record ReportReady(string WeightsSha256, IReadOnlyList<WrittenFile> Files);

    private QueuedExperiment? Current => _state.Current;

    /// <summary>Whoever made itself known and is no node.</summary>
    private int WorkerCount => _fileClients.Count - _nodes.Count;

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(RunEvent));

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    private void Begin()
    {
        var term = _state.Terms;
        _log.Info("Manager {0} of this cluster runs on {1}", term, _settings.Name);
        var (max, drained) = (_state.MaxWorkers, _state.Drained);
        _roster = Context.ActorOf(Props.Create(() => new WorkerRoster(term, 1, max, drained)), "roster");
        Next();
    }

    private void Next()
    {
        (_progress, _stage, _paused, _cancelling) = (null, null, Current?.Wanted == Control.Pause, false);
        if (Current is not { } next || _leaving) return;
        if (next.Wanted == Control.Cancel)
        {
            // The manager that was told of it is gone.
            End(ExperimentStatus.Cancelled, "cancelled", null, []);
            return;
        }
        var folder = new RunFolder(Path.Combine(_settings.Output, next.Id));
        Directory.CreateDirectory(folder.Root);
        var settings = new ExperimentCoordinator.Settings(
            next.Id, next.Experiment, next.Hash, folder, new RunFiles(folder, next.Experiment.Checkpoints.Keep, _settings.Elsewhere.Of(next.Id)), _roster);
        _coordinator = Context.ActorOf(Props.Create(() => new ExperimentCoordinator(settings)), next.Id);
        Show(new RunStarted(
            next.Experiment.Name, next.Hash, folder.Root, WorkerCount, "cluster", [.. StagePlan.For(next.Experiment).Stages.Select(PlannedStage.Of)]));
        if (_paused) _coordinator.Tell(new PauseExperiment());
        _coordinator.Tell(new RunExperiment());
    }

    private void Submit(SubmitExperiment submit)
    {
        var (client, ahead) = (Sender, _state.Experiments.Count(e => e.End is null));
        var id = _state.NextId(submit.Experiment.Name);
        Persist(new Submitted(id, ExperimentJson.Write(submit.Experiment).ToJsonString(), submit.Hash), submitted =>
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
            Sender.Tell(new CommandRefused("at least one worker is needed; clipmoe pause has an experiment wait."));
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
                    self, failure: e => new RunFailed("report", e));
                break;
            case RunFailed { Cause: JournalException }:
                // Nothing can be decided without the journal: the next manager goes on from where it stands.
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

    private static ReportReady Report(Settings settings, QueuedExperiment experiment, ExperimentState state)
    {
        var folder = new RunFolder(Path.Combine(settings.Output, experiment.Id));
        var written = settings.Report(new FinishedExperiment(experiment.Id, experiment.Experiment, experiment.Hash, folder, state));
        return new ReportReady(
            state.WeightsSha256!, [.. written.Select(f => new WrittenFile(f, ArtifactCheck.Sha256(folder.Absolute(f))!)), state.FileOf(StagePlan.Routers)]);
    }

    private void End(ExperimentStatus status, string? message, string? weights, IReadOnlyList<WrittenFile> report)
    {
        if (Current is not { } current) return;
        Persist(new Ended(current.Id, status, message, weights, report), ended =>
        {
            _state = _state.Apply(ended);
            foreach (var watcher in _watchers.Where(w => w.Value == ended.Id).Select(w => w.Key).ToList()) watcher.Tell(EndOf(ended));
            Next();
        });
    }

    private ExperimentEnded EndOf(Ended end) => new(end.Id, end.Status, end.Message, end.WeightsSha256, end.Report, FileEndpoints);

    private IReadOnlyList<BulkEndpoint> FileEndpoints => [.. _nodes.Values.Select(n => n.Files)];

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
        if (_watchers.GetValueOrDefault(Sender) == experiment.Id) return;
        _watchers[Context.Watch(Sender)] = experiment.Id;
        Sender.Tell(new RunStarted(
            experiment.Experiment.Name, experiment.Hash, experiment.Id, WorkerCount, "cluster",
            [.. StagePlan.For(experiment.Experiment).Stages.Select(PlannedStage.Of)]));
        if (_progress is { } progress) Sender.Tell(progress);
    }

    private void Show(RunEvent e)
    {
        if (e is StageStartedEvent started) (_stage, _progress, _paused) = (started.Stage, null, false);
        if (e is StageProgress progress) (_stage, _progress, _paused) = (progress.Stage, progress, false);
        if (e is RunPaused) _paused = true;
        if (Current is not { } current) return;
        foreach (var (watcher, id) in _watchers)
            if (id == current.Id) watcher.Tell(e);
    }

    private void ControlCurrent(ControlExperiment control)
    {
        if (control.Control == Control.Resume && _state[control.Id] is { End.Status: ExperimentStatus.Failed } failed)
        {
            Reopen(failed.Id);
            return;
        }
        var experiment = control.Id is null ? Current : _state[control.Id];
        if (experiment is null || experiment.End is not null)
        {
            Sender.Tell(new CommandRefused(control.Id is null ? "no experiment is running." : $"experiment {control.Id} is not there, or is over."));
            return;
        }
        if (experiment != Current)
        {
            if (control.Control != Control.Cancel)
            {
                Sender.Tell(new CommandRefused($"experiment {experiment.Id} waits for its turn."));
                return;
            }
            var client = Sender;
            Persist(new Ended(experiment.Id, ExperimentStatus.Cancelled, "cancelled before its start", null, []), ended =>
            {
                _state = _state.Apply(ended);
                client.Tell(new CommandDone($"experiment {ended.Id} is cancelled."));
            });
            return;
        }
        var asker = Sender;
        Persist(new ControlWanted(experiment.Id, control.Control), wanted =>
        {
            _state = _state.Apply(wanted);
            asker.Tell(new CommandDone($"experiment {wanted.Id}: {wanted.Control.ToString().ToLowerInvariant()} is under way."));
            if (Current?.Id == wanted.Id) Carry(wanted.Control);
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

    private void Reopen(string id)
    {
        var (client, idle) = (Sender, Current is null);
        Persist(new Reopened(id), reopened =>
        {
            _state = _state.Apply(reopened);
            client.Tell(new CommandDone($"experiment {reopened.Id} goes on from where it stands{(idle ? "" : ", after those that wait")}."));
            if (idle) Next();
        });
    }

    private ClusterStatus StatusWith(IReadOnlyList<ListedWorker> workers) => new(
        _settings.Name, _state.Terms, [.. _nodes.Values.Select(n => new ListedNode(n.Name, n.Coordinator)).OrderBy(n => n.Name)], workers, _state.MaxWorkers,
        [.. _state.Experiments.Select(Listed)]);

    private ListedExperiment Listed(QueuedExperiment e)
    {
        var running = e == Current;
        var status = e.End?.Status ?? (!running ? ExperimentStatus.Waiting : _paused ? ExperimentStatus.Paused : ExperimentStatus.Running);
        return new ListedExperiment(
            e.Id, e.Experiment.Name, e.Hash, status, running ? _stage : null, running ? _progress?.Done : null, running ? _progress?.Total : null,
            running ? _progress?.ImagesPerSecond : null, e.End?.WeightsSha256, e.End?.Message);
    }

    private void Welcome(NodeHello hello)
    {
        Join(Sender);
        var changed = !_nodes.TryGetValue(Sender.Path.ToString(), out var known) || known != hello;
        _nodes[Sender.Path.ToString()] = hello;
        if (changed) NodesChanged();
    }

    private void Join(IActorRef client)
    {
        if (!_fileClients.Add(client)) return;
        Context.Watch(client);
        client.Tell(new FileServers(FileEndpoints));
    }

    private void NodesChanged()
    {
        var coordinators = _nodes.Values.Count(n => n.Coordinator);
        if (coordinators != _coordinators) Timers.StartSingleTimer("quorum", new QuorumSettled(), QuorumSettles);
        _coordinators = coordinators;
        _settings.Elsewhere.Servers = FileEndpoints;
        foreach (var client in _fileClients) client.Tell(new FileServers(FileEndpoints));
    }

    private void Forget(IActorRef client)
    {
        _watchers.Remove(client);
        if (_fileClients.Remove(client) && _nodes.Remove(client.Path.ToString())) NodesChanged();
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
