using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Training;

/// <summary>
/// One training stage: lets the workers build their replicas, opens a generation, has checkpoints journaled, reports progress.
/// A step counts once it is committed; it is in the ledger once a checkpoint that contains it is on disk and journaled.
/// </summary>
public sealed class TrainingSession : ReceiveActor
{
    /// <param name="Join">What the workers start from.</param>
    public sealed record Settings(JoinStage Join, int Leaves, int BatchSize, int CheckpointEvery);

    private readonly Settings _settings;
    private readonly IReadOnlyDictionary<int, IActorRef> _workers;
    private readonly SortedDictionary<int, StageJoined> _joined = [];
    private readonly List<LossSample> _losses = [];
    private readonly Stopwatch _clock = new();
    private readonly double _secondsBefore;
    private IActorRef _aggregator = ActorRefs.Nobody;
    private int _ledgered;
    private double _ledgeredSeconds;
    private bool _stopping;
    private WrittenFile? _model;
    private double? _lastLoss;

    private string Stage => _settings.Join.Spec.Name;

    public TrainingSession(Settings settings, IReadOnlyDictionary<int, IActorRef> workers, double secondsBefore, double? lastLoss)
    {
        _settings = settings;
        _workers = workers;
        _secondsBefore = secondsBefore;
        _lastLoss = lastLoss;
        _ledgered = settings.Join.Step;
        Receive<StageJoined>(m => m.Stage == Stage, Joined);
        Receive<StepProgress>(Progress);
        Receive<CheckpointWritten>(m => m.Stage == Stage, Checkpointed);
        Receive<FactJournaled>(Journaled);
        Receive<StopExperiment>(_ => Stop());
        Receive<ReplicasDisagree>(Disagreed);
        Receive<WorkFailed>(f => f.Stage == Stage, f => Context.Parent.Tell(new StageFailed(Stage, f.Cause)));
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Escalate);

    protected override void PreStart()
    {
        foreach (var worker in _workers.Values) worker.Tell(_settings.Join);
    }

    protected override void PostStop()
    {
        foreach (var worker in _workers.Values) worker.Tell(new LeaveStage(Stage));
    }

    private void Joined(StageJoined joined)
    {
        _joined[joined.Worker] = joined;
        if (_joined.Count < _workers.Count) return;
        if (_joined.Values.Select(j => j.StateHash).Distinct().Count() > 1)
        {
            var hashes = string.Join(", ", _joined.Values.Select(j => $"worker {j.Worker}: {j.StateHash}"));
            Context.Parent.Tell(new StageFailed(Stage, new InvalidDataException($"the replicas of {Stage} differ before its first step ({hashes})")));
            return;
        }
        _clock.Start();
        if (_settings.Join.Step == _settings.Join.TotalSteps)
        {
            _workers[_joined.Keys.First()].Tell(new WriteModel(Stage));
            return;
        }
        var members = _joined.Keys.ToList();
        var plan = new GradientAggregator.Plan(
            Stage, Generation: 0, members, _settings.Leaves, _settings.Join.Step, _settings.Join.TotalSteps, _settings.CheckpointEvery);
        _aggregator = Context.ActorOf(Props.Create(() => new GradientAggregator(plan, _workers)), "aggregator");
        if (_stopping) _aggregator.Tell(new StopTraining(Stage));
    }

    private void Progress(StepProgress progress)
    {
        _lastLoss = progress.Loss.Total;
        _losses.Add(new LossSample(progress.Step, progress.Loss.Total));
        var committed = progress.Step + 1;
        var rate = (committed - _settings.Join.Step) * _settings.BatchSize / _clock.Elapsed.TotalSeconds;
        Context.System.EventStream.Publish(
            new StageProgress(Stage, committed, _settings.Join.TotalSteps, progress.Loss.Total, progress.LearningRate, rate, _workers.Count));
    }

    private void Checkpointed(CheckpointWritten written)
    {
        _model = written.Model ?? _model;
        if (written.Step == _ledgered)
        {
            // A stage whose last steps were already in the ledger has nothing to add to it: only its model file was missing.
            Finish(written.Step);
            return;
        }
        var seconds = _clock.Elapsed.TotalSeconds;
        var losses = _losses.Where(l => l.Step < written.Step).ToList();
        _losses.RemoveRange(0, losses.Count);
        Context.Parent.Tell(new JournalFact(new StepsCheckpointed(
            Stage, _ledgered, written.Step, written.ManifestSha256, seconds - _ledgeredSeconds, losses)));
        _ledgered = written.Step;
        _ledgeredSeconds = seconds;
    }

    private void Journaled(FactJournaled journaled)
    {
        if (journaled.Fact is StepsCheckpointed checkpoint) Finish(checkpoint.ToStep);
    }

    private void Finish(int step)
    {
        if (step == _settings.Join.TotalSteps && _model is { } model)
        {
            Context.Parent.Tell(new StageDone(Stage, new StageResult(model.Path, model.Sha256, _secondsBefore + _clock.Elapsed.TotalSeconds)
            {
                Steps = step,
                FinalLoss = _lastLoss,
                ImagesPerSecond = step == _settings.Join.Step ? null
                    : (step - _settings.Join.Step) * _settings.BatchSize / _clock.Elapsed.TotalSeconds,
            }));
        }
        else if (_stopping)
        {
            Context.Parent.Tell(new StageStopped(Stage));
        }
    }

    private void Stop()
    {
        _stopping = true;
        _aggregator.Tell(new StopTraining(Stage));
    }

    private void Disagreed(ReplicasDisagree disagreement)
    {
        var hashes = string.Join(", ", disagreement.HashByWorker.OrderBy(h => h.Key).Select(h => $"worker {h.Key}: {h.Value}"));
        Context.Parent.Tell(new StageFailed(Stage, new InvalidDataException(
            $"the workers disagree on the gradient of {Stage} step {disagreement.Id.Step} ({hashes}); nothing of it was applied")));
    }
}
