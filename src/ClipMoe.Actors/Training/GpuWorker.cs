using Akka.Actor;
using Akka.Event;
using ClipMoe.Actors.Clustering;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Extraction;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport;

namespace ClipMoe.Actors.Training;

/// <summary>
/// One device. The actor only passes work to the device's thread and results back, so it always answers; everything that touches tensors is
/// in <see cref="ReplicaTraining"/> and the other work classes, on that one thread. It makes itself known to the roster until it is welcomed.
/// </summary>
public sealed class GpuWorker : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan HelloEvery = TimeSpan.FromSeconds(1);

    /// <summary>What a worker needs of its process.</summary>
    /// <param name="Roster">Keeps the list of workers; wherever it is.</param>
    public sealed record Settings(
        WorkerInfo Info, IActorRef Roster, IWorkspaces Workspaces, IExchangeProvider Exchanges, ReplicaStates States)
    {
        /// <summary>Told where files of runs can be fetched.</summary>
        public Action<IReadOnlyList<BulkEndpoint>> FileServers { get; init; } = _ => { };
    }

    private readonly Settings _settings;
    private readonly DeviceThread _device;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private GenerationGate _gate;
    private IActorRef _roster = ActorRefs.Nobody;
    private IActorRef _session = ActorRefs.Nobody;
    private IActorRef _retiring = ActorRefs.Nobody;
    private int _number;
    private int _term;
    private IReadOnlyList<GenerationMember> _members = [];
    private Workspace? _workspace;
    private CancellationTokenSource? _preparing;
    // Touched on the device thread only.
    private ReplicaTraining? _training;
    private FeatureWork? _features;
    private ClusterWork? _clusters;

    public ITimerScheduler Timers { get; set; } = null!;

    public GpuWorker(Settings settings)
    {
        _settings = settings;
        _device = new DeviceThread($"device-{settings.Info.Name}", settings.Info.Device.Threads);
        _gate = new GenerationGate(settings.Exchanges);

        Receive<SayHello>(_ => settings.Roster.Tell(new WorkerHello(settings.Info)));
        Receive<WorkerWelcome>(Welcomed);
        Receive<Terminated>(t => t.ActorRef.Equals(_roster), _ => Timers.StartPeriodicTimer("hello", new SayHello(), HelloEvery));
        Receive<RetireWorker>(_ =>
        {
            _retiring = Sender;
            settings.Roster.Tell(new DrainWorker(settings.Info.Name, Back: false));
        });
        Receive<WorkerDismissed>(m => _retiring.Tell(m));
        Receive<CommandDone>(_ => { });
        Receive<OpenExperiment>(Open);
        Receive<FileServers>(m => settings.FileServers(m.Endpoints));

        Receive<JoinStage>(Join);
        Receive<OpenGeneration>(Enter);
        Receive<PlanStep>(m => OnDevice(m.Id.Stage, Sender, () => Compute(m.Id)));
        Receive<CommitStep>(Commit);
        Receive<AbandonGeneration>(Abandon);
        Receive<WriteCheckpoint>(m => OnDevice(m.Stage, Sender, () => Training.WriteCheckpoint()));
        Receive<LeaveStage>(Leave);

        Receive<PrepareDataSet>(Prepare);
        Receive<BuildMoe>(m => OnDevice(m.Spec.Name, Sender, () => ModelWork.Assemble(Workspace, m)));
        Receive<ImportModel>(m => OnDevice(m.Spec.Name, Sender, () => ModelWork.Import(Workspace, m)));
        Receive<ExtractShard>(m => OnDevice(m.Stage, Sender, () => (_features ??= new FeatureWork(Workspace, m)).Extract(m, _number)));
        Receive<AssignShards>(m => OnDevice(m.Stage, Sender, () =>
        {
            _clusters = new ClusterWork(Workspace, m);
            return new ShardsAssigned(m.Stage, m.Round, _number);
        }));
        Receive<SeedCentroids>(m => OnDevice(m.Stage, Sender, () => ClusterWork.Seed(Workspace, m)));
        Receive<AccumulateClusters>(m => OnDevice(m.Stage, Sender, () => Clusters.Accumulate(m, _number)));
        Receive<FetchRows>(m => OnDevice(m.Stage, Sender, () => Clusters.Fetch(m, _number)));
        Receive<LabelShard>(m => OnDevice(m.Stage, Sender, () => Clusters.Label(m, _number)));
        Receive<EvaluateModel>(m => OnDevice(m.Stage, Sender, () => EvaluationWork.Evaluate(Workspace, m, _number)));
    }

    private sealed record SayHello;

    private Workspace Workspace => _workspace ?? throw new InvalidOperationException("work came before its experiment was opened");

    private ReplicaTraining Training => _training ?? throw new InvalidOperationException("a step was planned before its stage was joined");

    private ClusterWork Clusters => _clusters ?? throw new InvalidOperationException("clusters were accumulated before shards were assigned");

    protected override void PreStart() => Timers.StartPeriodicTimer("hello", new SayHello(), TimeSpan.Zero, HelloEvery);

    protected override void PostStop()
    {
        _gate.Close();
        _device.Run(FreeTensors);
        _device.Dispose();
    }

    private void Welcomed(WorkerWelcome welcome)
    {
        if (welcome.Term < _term) return;
        (_term, _number) = (welcome.Term, welcome.Number);
        Timers.Cancel("hello");
        if (!_roster.IsNobody()) Context.Unwatch(_roster);
        _roster = Context.Watch(Sender);
    }

    private void Open(OpenExperiment open)
    {
        if (_workspace is { } before && before.Id != open.Id)
        {
            // Generations of another experiment are counted from the beginning.
            _gate.Close();
            _gate = new GenerationGate(_settings.Exchanges);
            OnDevice(before.Id, FreeTensors);
        }
        var workspace = _workspace = _settings.Workspaces.Open(open);
        if (open.Data is not { } data)
        {
            Sender.Tell(new ExperimentOpened(open.Id, _number, WithData: false));
            return;
        }
        Task.Run(() => workspace.Open(data)).PipeTo(
            Sender, Self,
            success: () => new ExperimentOpened(open.Id, _number, WithData: true),
            failure: e => new ExperimentRefused(open.Id, _number, WorkFailure.Of(e)));
    }

    private void Join(JoinStage join)
    {
        _session = Sender;
        var number = _number;
        OnDevice(join.Spec.Name, Sender, () =>
        {
            if (_training is null || !_training.Serves(join))
            {
                FreeTensors();
                _training = new ReplicaTraining(Workspace, join, _settings.States);
            }
            _training.Worker = number;
            return new StageJoined(join.Spec.Name, number, _training.TotalSteps, _training.Standing);
        });
    }

    private void Enter(OpenGeneration open)
    {
        var generation = new ExchangeGeneration(
            $"{Workspace.Id}/{open.Stage}", open.Generation, open.Rank, [.. open.Members.Select(m => m.Endpoint)]);
        _gate.Announce(generation.Stage, generation.Number);
        _members = open.Members;
        OnDevice(open.Stage, () => InGeneration(open.Stage, open.Generation, cancellation =>
        {
            Training.Enter(open, cancellation);
            Training.Exchange = _settings.Exchanges.Join(generation);
            return true;
        }));
    }

    private void Commit(CommitStep commit)
    {
        var id = commit.Id;
        // What a generation that is over would commit is committed again by the next one.
        if (_gate.IsOver(id.Generation)) return;
        OnDevice(id.Stage, () => Training.Apply(id.Step));
        if (commit.Checkpoint) OnDevice(id.Stage, _session, () => Training.WriteCheckpoint());
        if (commit.Continue) OnDevice(id.Stage, Sender, () => Compute(id with { Step = id.Step + 1 }));
    }

    private GradientReady Compute(StepId id) => InGeneration(id.Stage, id.Generation, _ => Training.Compute(id));

    /// <summary>Work that waits for other members; on the device thread. A stream that breaks is for the session to deal with.</summary>
    private T InGeneration<T>(string stage, int generation, Func<CancellationToken, T> work)
    {
        try
        {
            return work(_gate.Pass(generation));
        }
        catch (ExchangeBrokenException e)
        {
            _session.Tell(new ExchangeBroke(stage, generation, _number, _members[e.Peer].Worker, e.What));
            throw new OperationCanceledException(e.Message, e);
        }
    }

    private void Abandon(AbandonGeneration abandon)
    {
        var (stage, generation) = (abandon.Stage, abandon.Generation);
        Sender.Tell(new StillHere(stage, generation, _number));
        _gate.Close(generation);
        OnDevice(stage, Sender, () => new GenerationAbandoned(stage, generation, _number, Training.Standing));
    }

    private void Leave(LeaveStage leave)
    {
        if (leave.Why is { } why) _log.Warning("Left behind in stage {0}: {1}. Asks to come back when its device is free.", leave.Stage, why);
        _gate.Close();
        _preparing?.Cancel();
        var left = Sender;
        OnDevice(leave.Stage, () =>
        {
            FreeTensors();
            if (leave.Why is not null) left.Tell(new StageLeft(leave.Stage, _number));
        });
    }

    private void Prepare(PrepareDataSet prepare)
    {
        var (workspace, sender, self) = (Workspace, Sender, Self);
        var preparing = _preparing = new CancellationTokenSource();
        Task.Run(() => new DataSetPrepared(prepare.Stage, workspace.Prepare(Progress, preparing.Token))).PipeTo(sender, self, failure: e => Failure(prepare.Stage, e));

        // A hundred messages tell as much as one for each of a million samples.
        void Progress(int done, int total)
        {
            if (done == total || done % Math.Max(1, total / 100) == 0) sender.Tell(new PreparationProgress(prepare.Stage, done, total), self);
        }
    }

    private void FreeTensors()
    {
        _training?.Dispose();
        _features?.Dispose();
        (_training, _features, _clusters) = (null, null, null);
    }

    /// <summary>Queues work on the device thread; its result goes to <paramref name="to"/>, its failure too.</summary>
    private void OnDevice<T>(string stage, IActorRef to, Func<T> work) =>
        _device.Run(work).PipeTo(to, Self, failure: e => Failure(stage, e));

    private void OnDevice(string stage, Action work)
    {
        var (session, self) = (_session, Self);
        _device.Run(work).ContinueWith(
            t => session.Tell(Failure(stage, t.Exception!.GetBaseException()), self),
            CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    private object Failure(string stage, Exception cause) => cause is OperationCanceledException
        ? new WorkAborted(stage, _number)
        : new WorkFailed(stage, _number, WorkFailure.Of(cause));
}
