using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Training;

/// <summary>
/// One training stage: lets workers build their replicas, opens one generation after another, each with the workers present, has
/// checkpoints journaled, reports progress. A step counts once it is committed; it is in the ledger once a checkpoint that contains it is
/// on disk and journaled. When a member is lost the step in flight never happened: the others say where they stand and continue from there.
/// </summary>
public sealed class TrainingSession : StageActor, IWithTimers
{
    /// <summary>
    /// How long a member of a broken generation may take to say that it lives. Its actor answers at once, whatever its device does.
    /// </summary>
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromMilliseconds(500);

    /// <summary>How long its device may then take to end what it is computing, before it counts as hanging.</summary>
    private static readonly TimeSpan DeviceFreeWithin = TimeSpan.FromMinutes(2);

    /// <param name="Join">What workers start from.</param>
    /// <param name="TotalSteps">Null until the first worker has counted them.</param>
    /// <param name="FirstGeneration">Greater than any number that an earlier coordinator can have used.</param>
    /// <param name="SecondsBefore">Spent on the ledgered steps.</param>
    public sealed record SessionSettings(
        JoinStage Join, int? TotalSteps, int Leaves, int BatchSize, int CheckpointEvery, int FirstGeneration, double SecondsBefore,
        double? LastLoss)
    {
        /// <summary>Steps that wait until they are released, in tests and drills.</summary>
        public StepHolds Holds { get; init; } = StepHolds.None;
    }

    /// <summary>
    /// Gathering: no worker has the state yet. Training: a generation takes steps. Holding: it stops after the step in flight. Regrouping:
    /// between two generations. Paused: what must not be lost is written, or is being written. Finishing: all steps are committed.
    /// </summary>
    private enum Phase { Gathering, Training, Holding, Regrouping, Paused, Finishing }

    private readonly SessionSettings _settings;
    private readonly StepLedger _ledger;
    private readonly ReplicaTracker _replicas = new();
    private readonly DeviceWatch _watch = new();
    private readonly HashSet<int> _releasing = [];
    private Phase _phase = Phase.Gathering;
    private JoinStage _join;
    private int? _totalSteps;
    private int _generation;
    private IReadOnlyList<int> _members = [];
    private IReadOnlySet<int> _acquainted = new HashSet<int>();
    private int _opened;
    private StepPace _pace = StepPace.Unknown;
    private IActorRef _aggregator = ActorRefs.Nobody;
    /// <summary>Which worker writes a checkpoint that the session waits for, and after how many steps.</summary>
    private (int Worker, int Step)? _writing;
    private bool _stopping;
    private bool _pausing;
    private bool _done;
    private WrittenFile? _model;

    public ITimerScheduler Timers { get; set; } = null!;

    public TrainingSession(SessionSettings settings, IEnumerable<Worker> workers)
        : base(settings.Join.Spec.Name, workers)
    {
        _settings = settings;
        _join = settings.Join;
        _totalSteps = settings.TotalSteps;
        _generation = settings.FirstGeneration - 1;
        _ledger = new StepLedger(Stage, settings.BatchSize, settings.Join.Step, settings.SecondsBefore);
        Receive<StageJoined>(m => m.Stage == Stage, Joined);
        Receive<StageLeft>(m => m.Stage == Stage, m => Left(m.Worker));
        Receive<StepProgress>(m => m.Id.Generation == _generation, Progress);
        Receive<GenerationHeld>(m => m.Generation == _generation && _phase != Phase.Regrouping, Held);
        Receive<ExchangeBroke>(m => m.Stage == Stage && m.Generation == _generation,
            m => Abandon($"a stream between workers broke ({m.What})"));
        Receive<CopyFailed>(m => m.Stage == Stage && m.Generation == _generation, CouldNotCopy);
        Receive<StepOverdue>(m => m.Id.Generation == _generation, Overdue);
        Receive<ReplicasDisagree>(m => m.Id.Generation == _generation, Disagreed);
        Receive<StillHere>(m => m.Generation == _generation, m => _replicas.Lives(m.Worker));
        Receive<GenerationAbandoned>(m => m.Generation == _generation, Abandoned);
        Receive<AnswersDue>(m => m.Generation == _generation, _ => DropSilent());
        Receive<LookAtDevices>(_ => DropHanging());
        Receive<CheckpointWritten>(m => m.Stage == Stage, Checkpointed);
        Receive<CheckpointNotCopied>(m => m.Stage == Stage, m => Publish(new RunWarning(
            $"{Stage}: worker {Workers.GetValueOrDefault(m.Worker)?.Info.Name ?? $"{m.Worker}"} could not keep a second copy of a " +
            $"checkpoint: {m.What}")));
        Receive<FactJournaled>(Journaled);
        Receive<StopExperiment>(_ => Interrupt(ref _stopping));
        Receive<PauseExperiment>(_ => Interrupt(ref _pausing));
        Receive<ResumeExperiment>(_ => Resume());
    }

    private sealed record AnswersDue(int Generation);

    private sealed record LookAtDevices;

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer("devices", new LookAtDevices(), DeviceWatch.LookEvery);
        foreach (var worker in Workers.Values) OnArrived(worker);
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Escalate);

    protected override void OnArrived(Worker worker)
    {
        if (!_replicas.Invite(worker.Number)) return;
        // Where other workers have the state it is copied from them; a checkpoint is for when none has.
        worker.Actor.Tell(_replicas.Positions.Count > 0 ? _join with { Step = 0, Checkpoint = null } : _join);
    }

    protected override void OnGone(Worker worker)
    {
        _replicas.Remove(worker.Number);
        _releasing.Remove(worker.Number);
        var wrote = _writing?.Worker == worker.Number;
        if (wrote) _writing = null;
        if (_phase is Phase.Training or Phase.Holding && _members.Contains(worker.Number)) Abandon($"worker {worker.Info.Name} is gone");
        else if (wrote && _phase is Phase.Paused or Phase.Finishing) WriteCheckpoint();
        Advance();
    }

    private void Joined(StageJoined joined)
    {
        if (!_replicas.Join(joined.Worker, joined.Position)) return;
        if (_totalSteps is null) Planned(joined.TotalSteps);
        Advance();
    }

    private void Planned(int totalSteps)
    {
        _totalSteps = totalSteps;
        Context.Parent.Tell(new JournalFact(new StepsPlanned(Stage, totalSteps)));
        if (_join.Spec.WarmupSteps is var warmup && warmup >= totalSteps)
            Publish(new RunWarning($"{Stage} has {totalSteps} steps, all of them within its warm-up of {warmup}: the learning rate " +
                $"never reaches its peak. Lower its warmup_steps, or train for more epochs."));
    }

    /// <summary>A dropped worker is idle again: it may rejoin, or leave if it is being released.</summary>
    private void Left(int worker)
    {
        if (!Workers.TryGetValue(worker, out var back) || _replicas.Has(worker)) return;
        if (_releasing.Contains(worker)) LetGo(worker);
        else OnArrived(back);
    }

    /// <summary>Opens the next generation, or asks the current one to make room for it, if it is time.</summary>
    private void Advance()
    {
        switch (_phase)
        {
            case Phase.Gathering when !_replicas.SomeJoin:
            case Phase.Regrouping when !_replicas.SomeAreToAnswer && _replicas.Positions.Count > 0:
                Open();
                break;
            case Phase.Regrouping when !_replicas.SomeAreToAnswer:
                LoseState();
                break;
            case Phase.Training when _members.Count < _settings.Leaves && _replicas.Positions.Keys.Except(_members).Any():
                Hold();
                break;
        }
    }

    /// <summary>No worker with the state is left: those that join start from the last checkpoint.</summary>
    private void LoseState()
    {
        _phase = Phase.Gathering;
        if (_stopping || _pausing) Rest();
    }

    private void Open()
    {
        if (_replicas.Positions.Count == 0 || _totalSteps is not { } total)
        {
            LoseState();
            return;
        }
        // The last that had the state was let go, and writes it: the others begin from there, and repeat nothing that is committed.
        if (_replicas.Positions.Values.All(s => s.Step < _writing?.Step)) return;
        if (GenerationPlan.Create(_replicas.Positions, _settings.Leaves) is not { } plan)
        {
            RollBack("the replicas differ and no majority is right");
            return;
        }
        if (plan.Step < _ledger.Step)
        {
            // They were to copy the state from others, which are gone.
            RollBack("no worker has the latest state");
            return;
        }
        _ledger.Begin(_settings.LastLoss);
        if (plan.Step == total || _stopping || _pausing)
        {
            _phase = plan.Step == total ? Phase.Finishing : Phase.Paused;
            _members = [.. plan.Members.Where(m => m.Entry == CatchUp.InPlace).Select(m => m.Worker)];
            if (plan.Step == total || plan.Step > _ledger.Step) WriteCheckpoint();
            else Rest();
            return;
        }
        _generation++;
        _phase = Phase.Training;
        _members = [.. plan.Members.Select(m => m.Worker)];
        _opened = plan.Step;
        var details = new GradientAggregator.Plan(
            Stage, _generation, plan, _members.ToDictionary(m => m, m => Workers[m]), _acquainted, total, _settings.CheckpointEvery, _pace)
        {
            Holds = _settings.Holds,
        };
        _aggregator = Context.ActorOf(Props.Create(() => new GradientAggregator(details)), $"aggregator-{_generation}");
        // The generation before this one broke before it could let them go.
        if (_members.Any(_releasing.Contains)) Hold();
    }

    private void Hold()
    {
        _phase = Phase.Holding;
        _aggregator.Tell(new HoldGeneration());
    }

    private void Held(GenerationHeld held)
    {
        Context.Stop(_aggregator);
        _replicas.Move(_members, _ => new ReplicaPosition(held.Step, $"after step {held.Step} of generation {held.Generation}", null,
            null));
        var finished = held.Step == _totalSteps;
        _phase = finished ? Phase.Finishing : _stopping || _pausing ? Phase.Paused : Phase.Regrouping;
        // A released worker may be the last that has the state.
        if (_phase != Phase.Regrouping || _releasing.Count > 0) WriteCheckpoint();
        if (finished) return;
        foreach (var worker in _releasing.ToList()) LetGo(worker);
        Advance();
    }

    private void Abandon(string why)
    {
        if (_phase is not (Phase.Training or Phase.Holding)) return;
        Publish(new RunWarning($"{Stage}: {why}; retrying the step with the remaining workers."));
        Context.Stop(_aggregator);
        _phase = Phase.Regrouping;
        var there = _members.Where(Workers.ContainsKey).ToList();
        _replicas.Ask(there);
        foreach (var member in there) Workers[member].Actor.Tell(new AbandonGeneration(Stage, _generation));
        Timers.StartSingleTimer("answers", new AnswersDue(_generation), AnswerWithin);
        Advance();
    }

    private void Overdue(StepOverdue overdue)
    {
        // Should it be that fewer workers take longer now, the next attempt has all the time of a first step.
        _pace = StepPace.Unknown;
        Abandon($"step {overdue.Id.Step} is overdue after {overdue.After.TotalSeconds:0} s");
    }

    /// <summary>A worker that could not copy would hold the others up again and again, so it rejoins in its own time.</summary>
    private void CouldNotCopy(CopyFailed failed)
    {
        Abandon($"worker {failed.Worker} could not copy the state ({failed.What})");
        if (_replicas.IsToAnswer(failed.Worker)) Drop(failed.Worker, "it could not copy the state");
        Advance();
    }

    private void Abandoned(GenerationAbandoned abandoned)
    {
        if (_replicas.Answer(abandoned.Worker, abandoned.Position)) Advance();
    }

    private void DropSilent()
    {
        foreach (var worker in _replicas.TakeSilent()) Drop(worker, "it did not answer");
        if (_replicas.SomeAreToAnswer) Timers.StartSingleTimer("answers", new AnswersDue(_generation), DeviceFreeWithin);
        Advance();
    }

    /// <summary>
    /// Continues without workers whose device hangs while others wait for them: until all replicas are built, or until a checkpoint is
    /// written. Steps have a deadline of their own.
    /// </summary>
    private void DropHanging()
    {
        List<AwaitedWork> awaited = [.. _phase == Phase.Gathering ? _replicas.Awaited : []];
        if (_writing is { } writing && _phase is not (Phase.Training or Phase.Holding))
            awaited.Add(new AwaitedWork(writing.Worker, writing.Step, $"writing the checkpoint after step {writing.Step}"));
        var hanging = _watch.Look(awaited);
        foreach (var (worker, _, what) in hanging)
        {
            var wrote = _writing?.Worker == worker;
            Drop(worker, $"its device hangs while {what}");
            if (wrote && _phase is Phase.Paused or Phase.Finishing) WriteCheckpoint();
        }
        if (hanging.Count > 0) Advance();
    }

    private void Drop(int worker, string why)
    {
        _replicas.Drop(worker);
        if (_writing?.Worker == worker) _writing = null;
        var last = _replicas.IsExhausted(worker) ? $" After {ReplicaTracker.MostDrops} times it is not used in this stage again." : "";
        Publish(new RunWarning($"{Stage} continues without worker {Workers[worker].Info.Name}: {why}.{last}"));
        Workers[worker].Actor.Tell(new LeaveStage(Stage, why));
    }

    private void Disagreed(ReplicasDisagree disagreement)
    {
        Context.Stop(_aggregator);
        var hashes = string.Join(", ", disagreement.Reports.OrderBy(r => r.Worker).Select(Describe));
        Publish(new RunWarning($"{Stage}: replicas disagree at step {disagreement.Id.Step} ({hashes}); the step was not applied, and " +
            $"the majority's state is used."));
        var hashOf = disagreement.Reports.ToDictionary(r => r.Worker, r => r.StateHash);
        _replicas.Move(hashOf.Keys, worker => new ReplicaPosition(disagreement.Id.Step, hashOf[worker], null, null));
        _phase = Phase.Regrouping;
        Advance();
    }

    private string Describe(ReplicaReport report)
    {
        var name = Workers.GetValueOrDefault(report.Worker)?.Info.Name ?? $"worker {report.Worker}";
        return $"{name}: weights {report.StateHash[..12]}{(report.GradientHash is { } gradient ? $", gradient {gradient[..12]}" : "")}";
    }

    /// <summary>All begin again from the last checkpoint.</summary>
    private void RollBack(string why)
    {
        Publish(new RunWarning($"{Stage}: {why}; resuming from the checkpoint after step {_ledger.Step}."));
        _replicas.Forget();
        _writing = null;
        foreach (var worker in Workers.Values) worker.Actor.Tell(new LeaveStage(Stage, "training restarts from the checkpoint"));
        LoseState();
    }

    private void Progress(StepProgress progress)
    {
        var metrics = progress.Metrics;
        _ledger.Commit(progress.Id.Step, metrics);
        _pace = progress.Pace;
        // They took a step together, so each was told of all the others.
        if (progress.Id.Step == _opened) _acquainted = _members.ToHashSet();
        var committed = progress.Id.Step + 1;
        Publish(new StageProgress(
            Stage, committed, _totalSteps!.Value, metrics[StepLoss.Total], metrics.Find(ReplicaTraining.LearningRate),
            _ledger.Rate(committed), _members.Count)
        {
            Generation = _generation,
            Metrics = [.. metrics.Select(m => new MetricValue(m.Key, m.Value))],
        });
    }

    /// <summary>Has a worker write the committed state: to finish, or because the writer is gone.</summary>
    private void WriteCheckpoint()
    {
        var writers = CheckpointWriters.Choose(
            [.. _members.Where(m => _replicas.Has(m) && Workers.ContainsKey(m)).OrderBy(_releasing.Contains).Select(m => Workers[m])]);
        _writing = writers is null ? null : (writers.Writer, _replicas.Positions[writers.Writer].Step);
        if (writers is null)
        {
            LoseState();
            return;
        }
        foreach (var member in _members.Where(m => writers.DutyOf(m) != CheckpointDuty.None))
            Workers[member].Actor.Tell(new WriteCheckpoint(Stage, writers.DutyOf(member)));
    }

    private void Checkpointed(CheckpointWritten written)
    {
        _model = written.Model ?? _model;
        // One that it was told to write before may come first.
        if (_writing?.Worker == written.Worker && written.Step >= _writing?.Step) _writing = null;
        var released = _releasing.Contains(written.Worker) && !_replicas.Has(written.Worker);
        if (_ledger.Checkpoint(written, _generation) is { } fact) Context.Parent.Tell(new JournalFact(fact));
        // A stage whose last steps were already in the ledger has nothing to add to it: only its model file was missing.
        else if (written.Step == _ledger.Step) Finish(written.Step);
        if (released) LetGo(written.Worker);
        Advance();
    }

    private void Journaled(FactJournaled journaled)
    {
        if (journaled.Fact is not StepsCheckpointed checkpoint) return;
        _join = _join with { Step = checkpoint.ToStep, Checkpoint = checkpoint.ManifestSha256 };
        Finish(checkpoint.ToStep);
    }

    private void Finish(int step)
    {
        if (step == _totalSteps && _model is { } model)
        {
            // A writer that was given up may still report, after the one that took its place.
            if (_done) return;
            _done = true;
            Context.Parent.Tell(new CompleteStage(Stage, new StageResult(model.Path, model.Sha256, _ledger.Seconds)
            {
                Steps = step,
                FinalLoss = _ledger.LastLoss,
                ImagesPerSecond = _ledger.Rate(step),
            }));
        }
        else if (_phase == Phase.Paused)
        {
            Rest();
        }
    }

    private void Interrupt(ref bool wish)
    {
        wish = true;
        if (_phase == Phase.Training) Hold();
        else if (_phase == Phase.Paused || _phase == Phase.Gathering && _replicas.Positions.Count == 0) Rest();
    }

    /// <summary>No worker has anything that isn't in the journal.</summary>
    private void Rest()
    {
        _phase = Phase.Paused;
        Context.Parent.Tell(_stopping ? new StageStopped(Stage) : new StagePaused(Stage));
    }

    private void Resume()
    {
        _pausing = false;
        if (_phase != Phase.Paused) return;
        _phase = Phase.Regrouping;
        Advance();
    }

    /// <summary>After the step in flight, whose state is written first, for it may be the last worker.</summary>
    protected override void Release(int worker)
    {
        _releasing.Add(worker);
        if (_phase is Phase.Training or Phase.Holding && _members.Contains(worker))
        {
            if (_phase == Phase.Training) Hold();
        }
        else
        {
            LetGo(worker);
            Advance();
        }
    }

    private void LetGo(int worker)
    {
        _replicas.Remove(worker);
        // What it writes must arrive before it goes.
        if (_writing?.Worker == worker) return;
        _releasing.Remove(worker);
        if (Workers.TryGetValue(worker, out var released)) released.Actor.Tell(new LeaveStage(Stage));
        Forget(worker);
        Context.Parent.Tell(new WorkerReleased(worker));
    }
}
