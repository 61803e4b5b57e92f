using Akka.Actor;
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
/// in <see cref="ReplicaTraining"/> and the other work classes, on that one thread.
/// </summary>
public sealed class GpuWorker : ReceiveActor
{
    private readonly int _number;
    private readonly Workspace _workspace;
    private readonly IExchangeProvider _exchanges;
    private readonly DeviceThread _device;
    private IActorRef _session = ActorRefs.Nobody;
    // Touched on the device thread only.
    private ReplicaTraining? _training;
    private FeatureWork? _features;
    private ClusterWork? _clusters;

    public GpuWorker(int number, Workspace workspace, IExchangeProvider exchanges)
    {
        _number = number;
        _workspace = workspace;
        _exchanges = exchanges;
        _device = new DeviceThread($"device-{number}", workspace.Device.Threads);

        Receive<JoinStage>(Join);
        Receive<OpenGeneration>(m => OnDevice(m.Stage, () => Training.Enter(m, _exchanges.Join(m.Stage, m.Generation, m.Rank, m.World))));
        Receive<PlanStep>(m => OnDevice(m.Id.Stage, Sender, () => Training.Compute(m.Id, _number)));
        Receive<CommitStep>(Commit);
        Receive<WriteModel>(m => OnDevice(m.Stage, _session, () => Training.WriteCheckpoint()));
        Receive<LeaveStage>(Leave);

        Receive<BuildMoe>(m => OnDevice(m.Spec.Name, Sender, () => ModelWork.Assemble(_workspace, m)));
        Receive<ImportModel>(m => OnDevice(m.Spec.Name, Sender, () => ModelWork.Import(_workspace, m)));
        Receive<ExtractShard>(m => OnDevice(m.Stage, Sender, () => (_features ??= new FeatureWork(_workspace, m)).Extract(m, _number)));
        Receive<AssignShards>(m => OnDevice(m.Stage, Sender, () =>
        {
            _clusters = new ClusterWork(_workspace, m);
            return new ShardsAssigned(m.Stage, _number);
        }));
        Receive<SeedCentroids>(m => OnDevice(m.Stage, Sender, () => ClusterWork.Seed(_workspace, m)));
        Receive<AccumulateClusters>(m => OnDevice(m.Stage, Sender, () => Clusters.Accumulate(m, _number)));
        Receive<FetchRows>(m => OnDevice(m.Stage, Sender, () => Clusters.Fetch(m, _number)));
        Receive<LabelShard>(m => OnDevice(m.Stage, Sender, () => Clusters.Label(m, _number)));
        Receive<EvaluateModel>(m => OnDevice(m.Stage, Sender, () => EvaluationWork.Evaluate(_workspace, m, _number)));
    }

    private ReplicaTraining Training => _training ?? throw new InvalidOperationException("a step was planned before its stage was joined");

    private ClusterWork Clusters => _clusters ?? throw new InvalidOperationException("clusters were accumulated before shards were assigned");

    protected override void PostStop() => _device.Dispose();

    private void Join(JoinStage join)
    {
        _session = Sender;
        OnDevice(join.Spec.Name, Sender, () =>
        {
            _training?.Dispose();
            _training = new ReplicaTraining(_workspace, join);
            return new StageJoined(join.Spec.Name, _number, join.Step, _training.StateHash);
        });
    }

    private void Commit(CommitStep commit)
    {
        var id = commit.Id;
        OnDevice(id.Stage, () => Training.Apply(id));
        if (commit.Checkpoint) OnDevice(id.Stage, _session, () => Training.WriteCheckpoint());
        if (commit.Continue) OnDevice(id.Stage, Sender, () => Training.Compute(id with { Step = id.Step + 1 }, _number));
    }

    private void Leave(LeaveStage leave)
    {
        // The device thread may be waiting for others in an exchange of this stage.
        _exchanges.Abort(leave.Stage);
        OnDevice(leave.Stage, () =>
        {
            _training?.Dispose();
            _features?.Dispose();
            (_training, _features, _clusters) = (null, null, null);
        });
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

    private object Failure(string stage, Exception cause) =>
        cause is OperationCanceledException ? new WorkAborted(stage, _number) : new WorkFailed(stage, _number, cause);
}
