using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using ClipMoe.Actors.Clustering;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Extraction;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Model;

namespace ClipMoe.Actors.Experiments;

/// <summary>
/// Runs the stages of one experiment, one child actor each, and journals what is done. Event-sourced: started again on the same journal it
/// goes on where the last journaled fact left it. Holds nothing heavy.
/// </summary>
public sealed class ExperimentCoordinator : ReceivePersistentActor
{
    private readonly Workspace _workspace;
    private readonly IReadOnlyDictionary<int, IActorRef> _workers;
    private readonly StagePlan _plan;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private ExperimentState _state = ExperimentState.Empty;
    private IActorRef _client = ActorRefs.Nobody;
    private IActorRef _stage = ActorRefs.Nobody;
    private bool _stopping;
    private string? _onlyStage;
    private StageResult? _before;

    public override string PersistenceId { get; } = "experiment";

    public ExperimentCoordinator(Workspace workspace, IReadOnlyDictionary<int, IActorRef> workers)
    {
        _workspace = workspace;
        _workers = workers;
        _plan = StagePlan.For(workspace.Experiment);
        Recover<ExperimentEvent>(e => _state = _state.Apply(e));
        Command<RunExperiment>(Run);
        Command<StopExperiment>(_ => Stop());
        Command<ArtifactsChecked>(Checked);
        Command<StageReady>(Start);
        Command<JournalFact>(Record);
        Command<StageDone>(Done);
        Command<StageStopped>(s => End(new RunStopped(s.Stage)));
        Command<StageFailed>(f => End(new RunFailed(f.Stage, f.Cause)));
    }

    /// <summary>A stage actor that throws has met a fault of ours: the run ends with it instead of going on from a restarted actor.</summary>
    protected override SupervisorStrategy SupervisorStrategy()
    {
        var self = Self;
        return new OneForOneStrategy(cause =>
        {
            self.Tell(new StageFailed(_stage.Path.Name, cause));
            return Directive.Stop;
        });
    }

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistFailure(cause, @event, sequenceNr);
        _client.Tell(new RunFailed("journal", JournalFailure("written", cause)));
    }

    protected override void OnRecoveryFailure(Exception reason, object? message = null)
    {
        base.OnRecoveryFailure(reason, message);
        Context.System.EventStream.Publish(new RunWarning(JournalFailure("read", reason).Message));
    }

    private IOException JournalFailure(string what, Exception cause) => new(
        $"the journal {_workspace.Folder.Journal} can't be {what} ({cause.Message.TrimEnd('.')}): check the disk and the file; what is in it is kept.", cause);

    private sealed record ArtifactsChecked(IReadOnlyList<ExperimentEvent> Damages, Exception? Failure);

    private sealed record StageReady(StageSpec Spec, int? TotalSteps, Exception? Failure);

    private void Run(RunExperiment command)
    {
        _client = Sender;
        _onlyStage = command.OnlyStage;
        if (_state.Accepted is not { } accepted)
        {
            Persist(new ExperimentAccepted(_workspace.Experiment.Name, _workspace.Hash, _workspace.DataDescription), e =>
            {
                _state = _state.Apply(e);
                Next();
            });
        }
        else if (accepted.Hash != _workspace.Hash)
        {
            End(new RunFailed("start", new UserErrorException(
                $"{_workspace.Folder.Root} holds a run of another experiment ('{accepted.Name}', {accepted.Hash[..12]}; this one is "
                + $"{_workspace.Hash[..12]}): choose another --out, or run with the experiment that it was started with.")));
        }
        else
        {
            var state = _state;
            Task.Run(() => CheckArtifacts(state)).PipeTo(Self, failure: e => new ArtifactsChecked([], e));
        }
    }

    /// <summary>Opens the data set again and compares the files of the run with the hashes in its journal.</summary>
    private ArtifactsChecked CheckArtifacts(ExperimentState state)
    {
        if (state.Data is { } data) _workspace.Open(data);
        return new ArtifactsChecked(ArtifactCheck.Damages(state, _plan, _workspace), null);
    }

    private void Checked(ArtifactsChecked check)
    {
        if (check.Failure is { } failure)
        {
            End(new RunFailed("resume", failure));
            return;
        }
        foreach (var damage in check.Damages)
        {
            var text = ArtifactCheck.Describe(damage);
            _log.Warning(text);
            Context.System.EventStream.Publish(new RunWarning(text));
        }
        if (check.Damages.Count == 0) Next();
        else
        {
            PersistAll(check.Damages, e => _state = _state.Apply(e));
            DeferAsync(check.Damages.Count, _ => Next());
        }
    }

    private void Next()
    {
        if (_onlyStage is not null)
        {
            RunOnly(_plan[_onlyStage]);
            return;
        }
        if (_state.Next(_plan) is not { } spec)
        {
            Complete();
        }
        else if (_stopping)
        {
            End(new RunStopped(spec.Name));
        }
        else
        {
            Prepare(spec);
        }
    }

    private void RunOnly(StageSpec spec)
    {
        if (spec.Reads.FirstOrDefault(r => !_state.Completed.ContainsKey(r)) is { } missing)
        {
            End(new RunFailed(spec.Name, new UserErrorException(
                $"stage {spec.Name} reads what stage {missing} makes, and that has not run in {_workspace.Folder.Root}: run it first, or all with clipmoe run --resume.")));
            return;
        }
        _before = _state.Completed.GetValueOrDefault(spec.Name);
        Persist(new StageReset(spec.Name), reset =>
        {
            _state = _state.Apply(reset);
            Prepare(spec);
        });
    }

    private void Prepare(StageSpec spec)
    {
        var state = _state;
        Task.Run(() => new StageReady(spec, spec is TrainModel train ? _workspace.TotalSteps(train, state) : null, null))
            .PipeTo(Self, failure: e => new StageReady(spec, null, e));
    }

    private void Start(StageReady ready)
    {
        if (ready.Failure is { } failure)
        {
            End(new RunFailed(ready.Spec.Name, failure));
            return;
        }
        Persist(new StageStarted(ready.Spec.Name, ready.TotalSteps), started =>
        {
            _state = _state.Apply(started);
            Context.System.EventStream.Publish(new StageStartedEvent(started.Stage, started.TotalSteps, _state.CommittedSteps(started.Stage)));
            _stage = Context.ActorOf(StageActor(ready.Spec), ready.Spec.Name);
        });
    }

    private Props StageActor(StageSpec spec)
    {
        var state = _state;
        switch (spec)
        {
            case PrepareData:
                return Props.Create(() => new DataPreparation(spec.Name, _workspace));
            case TrainModel train:
                var step = state.CommittedSteps(train.Name);
                var join = new JoinStage(
                    train, state.TotalSteps[train.Name], step,
                    Model: train.From is { } from ? state.Completed[from].File : null,
                    Labels: train.Order is ClusterPureOrder pure ? state.FileOf(pure.Labels) : null,
                    Checkpoint: state.Ledger.LastOrDefault(c => c.Stage == train.Name)?.ManifestSha256);
                var settings = new TrainingSession.Settings(
                    join, _workspace.Experiment.Batch.Leaves, _workspace.Experiment.Batch.Size, _workspace.Experiment.Checkpoints.EverySteps);
                var lastLoss = state.Losses(train.Name).LastOrDefault()?.Loss;
                return Props.Create(() => new TrainingSession(settings, _workers, state.SecondsSpent(train.Name), lastLoss));
            case ExtractFeatures extract:
                var done = state.Shards.Where(s => s.Stage == extract.Name).Select(s => s.Shard).ToHashSet();
                return Props.Create(() => new FeatureExtraction(extract, state.Completed[extract.Model].File!, _workspace.Shards, done, _workers));
            case ClusterFeatures cluster:
                var layout = _workspace.Shards;
                var shards = state.Shards.Where(s => s.Stage == cluster.Features).OrderBy(s => s.Shard)
                    .Select(s => new FeatureShard(s.Shard, layout[s.Shard].First, s.File)).ToList();
                var previous = cluster.PreviousLabels is { } labels ? state.FileOf(labels) : null;
                return Props.Create(() => new ClusteringSession(cluster, shards, previous, _workspace, _workers));
            case AssembleMoe assemble:
                var files = assemble.Models.Select(m => state.Completed[m].File!).ToList();
                return Props.Create(() => new SingleWork(spec.Name, new BuildMoe(assemble, files), _workers.First().Value));
            case LoadModel load:
                return Props.Create(() => new SingleWork(spec.Name, new ImportModel(load), _workers.First().Value));
            case EvaluateModels evaluate:
                var models = evaluate.Models.ToDictionary(m => m, m => state.Completed[m].File!);
                return Props.Create(() => new EvaluationSession(evaluate, models, _workspace, _workers));
            default:
                throw new ArgumentOutOfRangeException(nameof(spec), spec.GetType().Name);
        }
    }

    private void Record(JournalFact command)
    {
        var sender = Sender;
        Persist(command.Fact, fact =>
        {
            _state = _state.Apply(fact);
            sender.Tell(new FactJournaled(fact));
            if (fact is StepsCheckpointed c) Context.System.EventStream.Publish(new CheckpointSaved(c.Stage, c.ToStep, RunFolder.StageFolder(c.Stage)));
        });
    }

    private void Done(StageDone done)
    {
        Persist(new StageCompleted(done.Stage, done.Result), completed =>
        {
            _state = _state.Apply(completed);
            Context.System.EventStream.Publish(new StageFinished(completed.Stage, completed.Result));
            Context.Stop(_stage);
            _stage = ActorRefs.Nobody;
            if (_onlyStage is null) Next();
            else End(new StageRerun(completed.Stage, completed.Result, _before));
        });
    }

    private void Complete()
    {
        if (_state.WeightsSha256 is not null)
        {
            End(new RunFinished(_state));
            return;
        }
        Persist(new ExperimentCompleted(_state.Completed[StagePlan.Routers].Sha256!), completed =>
        {
            _state = _state.Apply(completed);
            End(new RunFinished(_state));
        });
    }

    private void Stop()
    {
        _stopping = true;
        _stage.Tell(new StopExperiment());
    }

    private void End(RunOutcome outcome)
    {
        if (!_stage.IsNobody()) Context.Stop(_stage);
        _stage = ActorRefs.Nobody;
        _client.Tell(outcome);
    }
}
