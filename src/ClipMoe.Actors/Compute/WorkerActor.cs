using Akka.Actor;
using Akka.Event;
using ClipMoe.Actors.Clustering;
using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Upcycling;

namespace ClipMoe.Actors.Compute;

/// <summary>
/// One device. The actor only passes work to the device's thread and results back, so it always answers; everything that touches tensors is
/// in <see cref="ReplicaTraining"/> and the other work classes, on that one thread. It makes itself known to the roster until it is
/// welcomed.
/// </summary>
public sealed class WorkerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan HelloEvery = TimeSpan.FromSeconds(1);

    private readonly DeviceContext _device;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private IActorRef _roster = ActorRefs.Nobody;
    private IActorRef _session = ActorRefs.Nobody;
    private IActorRef _retiring = ActorRefs.Nobody;
    private int _number;
    private int _term;
    private MemberDirectory _directory = new();
    private IReadOnlyList<GenerationMember> _members = [];
    private CancellationTokenSource? _preparing;

    public ITimerScheduler Timers { get; set; } = null!;

    /// <param name="roster">Keeps the list of workers; wherever it is.</param>
    public WorkerActor(DeviceContext device, IActorRef roster)
    {
        _device = device;

        Receive<SayHello>(_ => roster.Tell(new WorkerHello(device.Info)));
        Receive<WorkerWelcome>(Welcomed);
        Receive<Terminated>(t => t.ActorRef.Equals(_roster), _ =>
        {
            // Its generation is over; the replica stays for the next session.
            _device.Fence.Close();
            Timers.StartPeriodicTimer("hello", new SayHello(), HelloEvery);
        });
        Receive<RetireWorker>(_ =>
        {
            _retiring = Sender;
            roster.Tell(new WorkerRetires(device.Info.Name));
        });
        Receive<WorkerDismissed>(m => _retiring.Tell(m));
        Receive<OpenExperiment>(Open);
        Receive<FileServers>(m => device.FileServers(m.Endpoints));

        Receive<JoinStage>(Join);
        Receive<OpenGeneration>(Enter);
        Receive<ComputeStep>(m => OnDevice(m.Id.Stage, Sender, () => Compute(m.Id)));
        Receive<CommitStep>(Commit);
        Receive<AbandonGeneration>(Abandon);
        Receive<WriteCheckpoint>(m => WriteCheckpoint(m.Stage, m.Duty, Sender));
        Receive<LeaveStage>(Leave);

        Receive<PrepareDataSet>(Prepare);
        Receive<BuildMoe>(m => OnDevice(m.Spec.Name, Sender, () =>
        {
            device.Holds.Wait(m.Spec.Name, 0, device.Closing);
            return ModelWork.Assemble(Workspace, m);
        }));
        Receive<ImportModel>(m => OnDevice(m.Spec.Name, Sender, () => ModelWork.Import(Workspace, m)));
        Receive<ExtractShard>(m => At(WorkPhase.Extract, m.Shard, m.Stage, () => device.FeaturesOf(m).Extract(m, _number, device.Closing)));
        Receive<AssignShards>(m => OnDevice(m.Stage, Sender, () =>
        {
            device.Clusters = new ClusterWork(Workspace, m);
            return new ShardsAssigned(m.Stage, m.Round, _number);
        }));
        Receive<SeedCentroids>(m => OnDevice(m.Stage, Sender, () => ClusterWork.Seed(Workspace, m)));
        Receive<AccumulateClusters>(m => At(WorkPhase.Cluster, m.Iteration, m.Stage, () => Clusters.Accumulate(m, _number)));
        Receive<FetchRows>(m => OnDevice(m.Stage, Sender, () => Clusters.Fetch(m, _number)));
        Receive<LabelShard>(m => At(WorkPhase.Label, m.Shard, m.Stage, () => Clusters.Label(m, _number)));
        Receive<EvaluateModel>(m => At(WorkPhase.Evaluate, 0, m.Stage,
            () => EvaluationWork.Evaluate(Workspace, m, _number, device.Closing)));
    }

    private sealed record SayHello;

    private Workspace Workspace => _device.Workspace ?? throw new InvalidOperationException("work came before its experiment was opened");

    private ReplicaTraining Training => _device.Training
        ?? throw new InvalidOperationException("a step was planned before its stage was joined");

    private ClusterWork Clusters => _device.Clusters
        ?? throw new InvalidOperationException("clusters were accumulated before shards were assigned");

    protected override void PreStart() => Timers.StartPeriodicTimer("hello", new SayHello(), TimeSpan.Zero, HelloEvery);

    protected override void PostStop()
    {
        // Waits for other members end; the replica stays for the next session that asks for it.
        _device.Fence.Close();
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
        if (_device.Workspace is { } before && before.Id != open.Id)
        {
            // Generations of another experiment are counted from the beginning.
            _device.Fence.Close();
            _device.Fence = new GenerationFence(_device.Exchanges);
            OnDevice(before.Id, _device.FreeTensors);
        }
        if (TryOpen(open) is not { } workspace) return;
        if (open.Data is not { } data)
        {
            Sender.Tell(new ExperimentOpened(open.Id, _number, WithData: false));
            return;
        }
        Task.Run(() => workspace.Open(data)).PipeTo(
            Sender, Self,
            success: () => new ExperimentOpened(open.Id, _number, WithData: true),
            failure: e => new ExperimentRefused(open.Id, _number, WorkFailure.FromException(e)));
    }

    /// <returns>Null when it can't be, which the sender knows by then.</returns>
    private Workspace? TryOpen(OpenExperiment open)
    {
        try
        {
            return _device.Workspace = _device.Workspaces.Open(open);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Sender.Tell(new ExperimentRefused(open.Id, _number, WorkFailure.FromException(e)));
            return null;
        }
    }

    private void Join(JoinStage join)
    {
        // Another session may be of another coordinator, which numbers the workers anew.
        if (!_session.Equals(Sender)) _directory = new MemberDirectory();
        _session = Sender;
        var number = _number;
        OnDevice(join.Spec.Name, Sender, () =>
        {
            if (_device.Training is not { } training || !training.Serves(join))
            {
                _device.FreeTensors();
                _device.Training = training = new ReplicaTraining(Workspace, join, _device.States, _device.Faults);
            }
            training.Worker = number;
            return new StageJoined(join.Spec.Name, number, training.TotalSteps, training.Position);
        });
    }

    private void Enter(OpenGeneration open)
    {
        // A coordinator that was removed from the cluster, and does not know it yet, means other workers by these numbers.
        if (!Sender.Path.Parent.Equals(_session.Path)) return;
        _members = _directory.MembersOf(open);
        var generation = new ExchangeGeneration(
            $"{Workspace.Id}/{open.Stage}", open.Generation, open.Rank, [.. _members.Select(m => m.Endpoint)]);
        _device.Fence.Announce(generation.Stage, generation.Number);
        OnDevice(open.Stage, () => InGeneration(open.Stage, open.Generation, cancellation =>
        {
            Training.Enter(open, cancellation);
            Training.Entered = (generation.Number, _device.Exchanges.Join(generation));
            return true;
        }));
    }

    private void Commit(CommitStep commit)
    {
        var id = commit.Id;
        // What a generation that is over would commit is committed again by the next one.
        if (_device.Fence.IsOver(id.Generation)) return;
        WriteCheckpoint(id.Stage, commit.Checkpoint, _session);
        OnDevice(id.Stage, () => Training.Apply(id.Step));
        var next = id with { Step = id.Step + 1 };
        if (commit.Continue) OnDevice(id.Stage, Sender, () => Compute(next));
        else OnDevice(id.Stage, Sender, () => Training.Reached(next));
    }

    private void WriteCheckpoint(string stage, CheckpointDuty duty, IActorRef session)
    {
        if (duty == CheckpointDuty.Write) OnDevice(stage, session, () => Training.WriteCheckpoint());
        if (duty == CheckpointDuty.Copy) OnDevice(stage, () => CopyCheckpoint(stage, session));
    }

    private void CopyCheckpoint(string stage, IActorRef session)
    {
        try
        {
            Training.WriteCheckpoint();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Training needs the writer's only.
            session.Tell(new CheckpointNotCopied(stage, _number, e.Message));
        }
    }

    private GradientReady Compute(StepId id) => InGeneration(id.Stage, id.Generation, _ => Training.Compute(id));

    /// <summary>Work that waits for other members; on the device thread. A stream that breaks is for the session to deal with.</summary>
    private T InGeneration<T>(string stage, int generation, Func<CancellationToken, T> work)
    {
        try
        {
            return work(_device.Fence.Pass(generation));
        }
        catch (ExchangeBrokenException e)
        {
            // The session acts on the first report, which may say no more than that the other end closed: what each found stays
            // in its log.
            _log.Warning("Stage {0}: the stream with worker {1} broke ({2})", stage, _members[e.Peer].Worker, e.What);
            _session.Tell(new ExchangeBroke(stage, generation, _number, _members[e.Peer].Worker, e.What));
            throw new OperationCanceledException(e.Message, e);
        }
        catch (StateCopyException e)
        {
            _session.Tell(new CopyFailed(stage, generation, _number, e.Message));
            throw new OperationCanceledException(e.Message, e);
        }
    }

    private void Abandon(AbandonGeneration abandon)
    {
        var (stage, generation) = (abandon.Stage, abandon.Generation);
        Sender.Tell(new StillHere(stage, generation, _number));
        _device.Fence.Close(generation);
        OnDevice(stage, Sender, () => new GenerationAbandoned(stage, generation, _number, Training.Position));
    }

    private void Leave(LeaveStage leave)
    {
        if (leave.Why is { } why) _log.Warning("Dropped from stage {0}: {1}. Will rejoin when its device is idle.", leave.Stage,
            why);
        _device.Fence.Close($"{Workspace.Id}/{leave.Stage}");
        _preparing?.Cancel();
        var left = Sender;
        OnDevice(leave.Stage, () =>
        {
            _device.FreeTensors(leave.Stage);
            if (leave.Why is not null) left.Tell(new StageLeft(leave.Stage, _number));
        });
    }

    private void Prepare(PrepareDataSet prepare)
    {
        var (workspace, sender, self) = (Workspace, Sender, Self);
        var preparing = _preparing = new CancellationTokenSource();
        Task.Run(() =>
        {
            _device.Holds.Wait(prepare.Stage, 0, preparing.Token);
            return new DataSetPrepared(prepare.Stage, workspace.Prepare(Progress, preparing.Token));
        }).PipeTo(sender, self, failure: e => Failure(prepare.Stage, e));

        // A hundred messages tell as much as one for each of a million samples.
        void Progress(int done, int total)
        {
            if (done == total || done % Math.Max(1, total / 100) == 0)
                sender.Tell(new PreparationProgress(prepare.Stage, done, total), self);
        }
    }

    /// <summary>Work at a place where a fault may be, and where it may be held.</summary>
    private void At<T>(WorkPhase phase, int step, string stage, Func<T> work) => OnDevice(stage, Sender, () =>
    {
        _device.Holds.Wait(stage, step, _device.Closing);
        _device.Faults.Reach(stage, step, phase);
        return work();
    });

    /// <summary>Queues work on the device thread; its result goes to <paramref name="to"/>, its failure too.</summary>
    private void OnDevice<T>(string stage, IActorRef to, Func<T> work) =>
        _device.Thread.Run(work).PipeTo(to, Self, failure: e => Failure(stage, e));

    private void OnDevice(string stage, Action work)
    {
        var (session, self) = (_session, Self);
        _device.Thread.Run(work).ContinueWith(
            t => session.Tell(Failure(stage, t.Exception!.GetBaseException()), self),
            CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    private object Failure(string stage, Exception cause) => cause is OperationCanceledException
        ? new WorkAborted(stage, _number)
        : new WorkFailed(stage, _number, WorkFailure.FromException(cause));
}
