using System.IO.Hashing;
using System.Text;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Simulation;

/// <summary>
/// Says what a <c>WorkerActor</c> says whose device needs no time: the same messages with made-up hashes and losses, no tensors, no bulk
/// connections. Good for one training stage.
/// </summary>
internal sealed class SimulatedWorker : ReceiveActor
{
    /// <summary>A worker was killed: it sends nothing any more, and the streams of the other members break.</summary>
    /// <param name="Number">What the roster calls it.</param>
    public sealed record Kill(int Number);

    private readonly WorkerInfo _info;
    private readonly ActorSelection _roster;
    private IActorRef _session = ActorRefs.Nobody;
    private readonly MemberDirectory _directory = new();
    private IReadOnlyList<GenerationMember> _members = [];
    private OpenGeneration? _generation;
    private int _number;
    private int _leaves;
    private MetricWriter _metrics = new();
    private int _committed;
    private int _over = -1;
    private string? _pending;

    public SimulatedWorker(WorkerInfo info, ActorSelection roster)
    {
        (_info, _roster) = (info, roster);
        Receive<WorkerWelcome>(m => _number = m.Number);
        Receive<OpenExperiment>(m =>
        {
            _leaves = m.Experiment.Batch.Leaves;
            Sender.Tell(new ExperimentOpened(m.Id, _number, m.Data is not null));
        });
        Receive<PrepareDataSet>(m => Sender.Tell(
            new DataSetPrepared(m.Stage, new DataPrepared(Made("data"), 1_000_000, 1_000, 0, Made("words"), []))));
        Receive<JoinStage>(Join);
        Receive<OpenGeneration>(Enter);
        Receive<ComputeStep>(m => Compute(m.Id));
        Receive<CommitStep>(Commit);
        Receive<AbandonGeneration>(Abandon);
        Receive<WriteCheckpoint>(m =>
        {
            if (m.Duty == CheckpointDuty.Write) Sender.Tell(Checkpoint(m.Stage));
        });
        Receive<LeaveStage>(m => m.Why is not null, m => Sender.Tell(new StageLeft(m.Stage, _number)));
        Receive<LeaveStage>(_ => { });
        Receive<Kill>(m => m.Number == _number, _ => Become(() => ReceiveAny(_ => { })));
        Receive<Kill>(m => LosePeer(m.Number));
    }

    protected override void PreStart() => _roster.Tell(new WorkerHello(_info), Self);

    private void Join(JoinStage join)
    {
        _session = Sender;
        _committed = join.Step;
        Sender.Tell(new StageJoined(join.Spec.Name, _number, join.Spec.Duration.Steps!.Value, Position));
    }

    private void Enter(OpenGeneration open)
    {
        _members = _directory.MembersOf(open);
        if (open.Generation <= _over) return;
        (_generation, _committed, _pending, _metrics) = (open, open.Step, null, new MetricWriter());
    }

    private void Compute(StepId id)
    {
        if (_generation is not { } generation || id.Generation <= _over)
        {
            Sender.Tell(new WorkAborted(id.Stage, _number));
            return;
        }
        _pending = Gradient(id.Step);
        Sender.Tell(new GradientReady(id, _number, _pending, Weights(id.Step), Measured(generation.Leaves)));
    }

    /// <summary>What a training of a dense model with short captions measures, and a loss of routers.</summary>
    private MetricReport Measured(LeafRange leaves)
    {
        var bags = Enumerable.Range(leaves.First, leaves.End - leaves.First).Select(leaf =>
        {
            var bag = new MetricBag
            {
                { StepLoss.Total, 1 / 3.0 }, { StepLoss.Contrastive, 1 / 7.0 }, { StepLoss.ContrastiveShort, 1 / 7.0 },
                { StepLoss.Router("router_balance", "image"), 1 / 9.0 }, { StepLoss.Router("router_balance", "text"), 1 / 9.0 },
                { StepLoss.Router("router_balance", "text_short"), 1 / 9.0 },
            };
            GradientMetrics.Add(bag, gradient: [], leaf, _leaves);
            return bag;
        }).ToList();
        bags[0].Add(ReplicaTraining.LearningRate, 1e-5 / 3);
        new StepClock().Empty(bags[0]);
        return _metrics.Write(MetricBag.Join(new ReductionTree(_leaves).MaximalSubtrees(leaves.First, leaves.End), bags));
    }

    private void Commit(CommitStep commit)
    {
        var id = commit.Id;
        if (id.Generation <= _over) return;
        (_committed, _pending) = (id.Step + 1, null);
        if (commit.Checkpoint == CheckpointDuty.Write) _session.Tell(Checkpoint(id.Stage));
        if (commit.Continue) Compute(id with { Step = _committed });
    }

    private void Abandon(AbandonGeneration abandon)
    {
        _over = Math.Max(_over, abandon.Generation);
        Sender.Tell(new StillHere(abandon.Stage, abandon.Generation, _number));
        Sender.Tell(new GenerationAbandoned(abandon.Stage, abandon.Generation, _number, Position));
    }

    private void LosePeer(int peer)
    {
        if (_generation is not { } generation || generation.Generation <= _over || _members.All(m => m.Worker != peer)) return;
        _session.Tell(new ExchangeBroke(generation.Stage, generation.Generation, _number, peer, "it closed the connection"));
    }

    private ReplicaPosition Position => new(_committed, Weights(_committed), _committed == 0 ? null : Gradient(_committed - 1), _pending);

    private CheckpointWritten Checkpoint(string stage) => new(stage, _committed, _number, Made($"checkpoint {_committed}"), null);

    private static string Weights(int step) => Made($"weights {step}");

    private static string Gradient(int step) => Made($"gradient {step}");

    /// <summary>The same on all workers.</summary>
    private static string Made(string of) => XxHash128.HashToUInt128(Encoding.UTF8.GetBytes(of)).ToString("x32");
}
