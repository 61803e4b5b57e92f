using Akka.Actor;
using ClipMoe.Actors.Compute;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>
/// Says and does what a <see cref="WorkerActor"/> and its <see cref="ReplicaTraining"/> do, with numbers for weights: its actor answers as
/// messages come, its device works one piece after the other when the history says so.
/// </summary>
internal sealed class ModelWorker(TrainingWorld world, int number)
{
    /// <param name="WaitsIn">The step that it computes together with the other members.</param>
    private sealed record Work(StepId? WaitsIn, Action Do);

    private sealed class Replica
    {
        public int Committed;
        public ulong Weights, Gradient;
        public string? LastGradient, PendingGradient;

        public ReplicaPosition Position => new(Committed, Arithmetic.Hash(Weights), LastGradient, PendingGradient);
    }

    private readonly Queue<Work> _device = [];
    private readonly GenerationFence _gate = new(new NoExchanges());
    private MemberDirectory _directory = new();
    private IActorRef _session = ActorRefs.Nobody;
    private Replica? _replica;
    private int? _entered;
    private MetricWriter _metrics = new();

    /// <summary>Another coordinator counts the workers anew.</summary>
    public int Number { get; set; } = number;

    public bool Lives { get; private set; } = true;

    public bool Hangs { get; set; }

    public bool FailsToCopy { get; set; }

    public bool Errs { get; set; }

    /// <summary>How often it was told to leave before the end.</summary>
    public int TimesLeft { get; set; }

    /// <summary>What its device is at.</summary>
    public StepId? WaitsIn => _device.TryPeek(out var work) && work.WaitsIn is { } id && IsIn(id.Generation) ? id : null;

    public bool CanWork => Lives && !Hangs && _device.Count > 0 && (WaitsIn is not { } id || world.CanCompute(id));

    private bool IsIn(int generation) => _entered == generation && !_gate.IsOver(generation);

    public int Committed => _replica?.Committed ?? 0;

    public ulong Weights => _replica!.Weights;

    public bool Left(int generation) => !Lives || _gate.IsOver(generation);

    public void Die() => Lives = false;

    /// <summary>Its coordinator is gone: whatever it opened is over.</summary>
    public void LoseCoordinator() => _gate.Close();

    public void DoWork() => _device.Dequeue().Do();

    public void Receive(object message, IActorRef sender)
    {
        switch (message)
        {
            case JoinStage join:
                if (!_session.Equals(sender)) _directory = new MemberDirectory();
                _session = sender;
                OnDevice(() => Join(join));
                break;
            case OpenGeneration open:
                var members = _directory.MembersOf(open).Select(m => m.Worker).ToList();
                world.Check(members[open.Rank] == Number, $"worker {Number} is not rank {open.Rank} of {string.Join(", ", members)}");
                world.Check(members.SequenceEqual(world.Generations[open.Generation].Members), "members were told of different members");
                _gate.Announce(open.Stage, open.Generation);
                OnDevice(() => Enter(open, sender));
                break;
            case ComputeStep plan:
                OnDevice(() => Compute(plan.Id, sender), plan.Id);
                break;
            case CommitStep commit when !_gate.IsOver(commit.Id.Generation):
                var next = commit.Id with { Step = commit.Id.Step + 1 };
                if (commit.Checkpoint == CheckpointDuty.Write) OnDevice(WriteCheckpoint);
                OnDevice(() => Apply(commit.Id.Step));
                if (commit.Continue) OnDevice(() => Compute(next, sender), next);
                else OnDevice(() => Say(sender, new StateReached(next, Number, Arithmetic.Hash(Weights))));
                break;
            case AbandonGeneration abandon:
                Say(sender, new StillHere(abandon.Stage, abandon.Generation, Number));
                _gate.Close(abandon.Generation);
                OnDevice(() => Say(sender, new GenerationAbandoned(abandon.Stage, abandon.Generation, Number, _replica!.Position)));
                break;
            case WriteCheckpoint { Duty: CheckpointDuty.Write }:
                OnDevice(WriteCheckpoint);
                break;
            case LeaveStage leave:
                _gate.Close(leave.Stage);
                OnDevice(() =>
                {
                    _replica = null;
                    if (leave.Why is not null) Say(sender, new StageLeft(leave.Stage, Number));
                });
                break;
        }
    }

    private void OnDevice(Action work, StepId? waitsIn = null) => _device.Enqueue(new Work(waitsIn, work));

    private void Say(IActorRef to, object message) => world.Say(this, to, message);

    private void Join(JoinStage join)
    {
        if (_replica is null || _replica.Committed < join.Step)
        {
            var weights = join.Checkpoint is { } written ? world.Checkpoints[written] : world.Arithmetic.Undisturbed(0);
            _replica = new Replica { Committed = join.Step, Weights = weights };
        }
        Say(_session, new StageJoined(join.Spec.Name, Number, world.History.Steps, _replica.Position));
    }

    private void Enter(OpenGeneration open, IActorRef sender)
    {
        if (_gate.IsOver(open.Generation))
        {
            Say(_session, new WorkAborted(open.Stage, Number));
            return;
        }
        _entered = null;
        var replica = _replica!;
        switch (open.Entry)
        {
            case CatchUp.Apply when replica.PendingGradient is not null && replica.Committed == open.Step - 1:
                Apply(replica.Committed);
                break;
            case CatchUp.Copy:
                if (!Copy(open, replica)) return;
                break;
            default:
                world.Check(
                    open.Entry == CatchUp.InPlace && replica.Committed == open.Step,
                    $"worker {Number} is at {replica.Committed} and begins generation {open.Generation} at {open.Step} by {open.Entry}");
                break;
        }
        (_entered, _metrics) = (open.Generation, new MetricWriter());
    }

    private bool Copy(OpenGeneration open, Replica replica)
    {
        (replica.Committed, replica.LastGradient, replica.PendingGradient) = (-1, null, null);
        var donor = open.Donors.Select(d => world.ByNumber(d.Worker)).FirstOrDefault(d => d is { Lives: true, _replica: not null });
        if (FailsToCopy || donor is null)
        {
            FailsToCopy = false;
            Say(_session, new CopyFailed(open.Stage, open.Generation, Number, "no donor could serve it"));
            return false;
        }
        // One that has left the generation may stand elsewhere; then so does the copy, which never takes part in anything.
        world.Check(
            donor.Left(open.Generation) || donor._replica!.Committed == open.Step,
            $"worker {Number} copies the state after {open.Step} steps from worker {donor.Number}, which is at {donor.Committed}");
        (replica.Committed, replica.Weights) = (open.Step, donor.Weights);
        return true;
    }

    private void Compute(StepId id, IActorRef aggregator)
    {
        if (!IsIn(id.Generation))
        {
            Say(aggregator, new WorkAborted(id.Stage, Number));
            return;
        }
        var (generation, replica) = (world.Generations[id.Generation], _replica!);
        if (!generation.Met(id.Step) && !world.Meet(generation, id.Step))
        {
            Say(_session, new ExchangeBroke(id.Stage, id.Generation, Number, generation.Members[0], "it closed the connection"));
            Say(aggregator, new WorkAborted(id.Stage, Number));
            return;
        }
        world.Check(replica.Committed == id.Step, $"worker {Number} is at {replica.Committed} and computes step {id.Step}");
        world.CheckWeights(this, id.Step);
        replica.Gradient = generation.GradientOf(id.Step);
        replica.PendingGradient = Arithmetic.Hash(replica.Gradient);
        var leaves = generation.LeavesOf(Number);
        var losses = Enumerable.Range(leaves.First, leaves.End - leaves.First)
            .Select(leaf => (new Subtree(leaf, leaf + 1), new MetricBag { { StepLoss.Total, Arithmetic.LossOf(id.Step, leaf) } }));
        var metrics = _metrics.Write([.. losses]);
        Say(aggregator, new GradientReady(id, Number, replica.PendingGradient, Arithmetic.Hash(replica.Weights), metrics));
    }

    private void Apply(int step)
    {
        var replica = _replica!;
        world.Check(
            replica.Committed == step && replica.PendingGradient is not null,
            $"worker {Number} is at {replica.Committed}, with gradient {replica.PendingGradient}, and is to apply step {step}");
        replica.Weights = Arithmetic.Update(replica.Weights, replica.Gradient);
        // With the only replica nothing could tell.
        if (Errs && _entered is { } generation && world.Generations[generation].Members.Count > 1) replica.Weights ^= (ulong)Number << 32;
        Errs = false;
        replica.Committed++;
        (replica.LastGradient, replica.PendingGradient) = (replica.PendingGradient, null);
    }

    private void WriteCheckpoint()
    {
        var replica = _replica!;
        world.CheckWeights(this, replica.Committed);
        var manifest = $"after {replica.Committed}: {Arithmetic.Hash(replica.Weights)}";
        world.Checkpoints[manifest] = replica.Weights;
        var model = replica.Committed == world.History.Steps ? new WrittenFile("model", manifest) : null;
        Say(_session, new CheckpointWritten(TrainingWorld.Stage, replica.Committed, Number, manifest, model));
    }

    private sealed class NoExchanges : IExchangeProvider
    {
        public IStepExchange Join(ExchangeGeneration generation) => throw new NotSupportedException();

        public void Abort(string stage, int generation)
        {
        }
    }
}
