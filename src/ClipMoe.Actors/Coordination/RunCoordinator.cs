using Akka.Actor;
using Akka.Event;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model;

namespace ClipMoe.Actors.Coordination;

/// <summary>
/// Runs the stages of one experiment, one child actor each, and journals what is done. Holds nothing heavy and reads no data: workers do.
/// </summary>
public sealed class RunCoordinator : ExperimentJournal
{
    /// <summary>More generations than a coordinator, or one of its training sessions, will ever open.</summary>
    private const int GenerationsPerTerm = 1_000_000, GenerationsPerSession = 20_000;

    /// <param name="Id">Names the experiment in the journal and among the workers.</param>
    /// <param name="Hash">Of what decides the weights.</param>
    /// <param name="Roster">Tells which workers there are.</param>
    /// <param name="Conditions">What all of them compute with, where that is the same for all; null in a cluster.</param>
    public sealed record RunSettings(
        string Id, Experiment Experiment, string Hash, RunFolder Folder, RunFiles Files, IActorRef Roster,
        ComputeConditions? Conditions = null)
    {
        /// <summary>Steps that wait until they are released, in tests and drills.</summary>
        public StepHolds Holds { get; init; } = StepHolds.None;
    }

    private readonly RunSettings _settings;
    private readonly StagePlan _plan;
    private readonly WorkerPool _pool = new();
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private IActorRef _client = ActorRefs.Nobody;
    private IActorRef _stage = ActorRefs.Nobody;
    private string _stageName = "";
    private Action? _whenSettled;
    private readonly HashSet<int> _releasing = [];
    private int _sessions;
    private bool _stopping;
    private bool _pausing;
    private bool _resting;
    private string? _onlyStage;
    private StageResult? _before;

    public RunCoordinator(RunSettings settings)
        : base(settings.Id)
    {
        _settings = settings;
        _plan = StagePlan.For(settings.Experiment);
        Command<RunExperiment>(Run);
        Command<WorkerArrived>(Arrived);
        Command<WorkerGone>(Gone);
        Command<ExperimentOpened>(m => m.Id == settings.Id && m.WithData == State.Data is not null, Opened);
        Command<ExperimentRefused>(m => m.Id == settings.Id, Refused);
        Command<ExperimentOpened>(_ => { });
        Command<ExperimentRefused>(_ => { });
        Command<ArtifactsChecked>(Checked);
        Command<ResultsCollected>(Finish);
        Command<JournalFact>(Record);
        Command<CompleteStage>(Done);
        Command<StageStopped>(s => End(new RunStopped(s.Stage)));
        Command<StageFailed>(Failed);
        Command<StopExperiment>(_ => Stop());
        Command<PauseExperiment>(m =>
        {
            _pausing = true;
            _stage.Forward(m);
        });
        Command<ResumeExperiment>(Resume);
        Command<ReleaseWorker>(m =>
        {
            _releasing.Add(m.Worker);
            if (_stage.IsNobody()) Released(m.Worker);
            else _stage.Tell(m);
        });
        Command<StagePaused>(s => Publish(new RunPaused(s.Stage)));
        Command<WorkerReleased>(m => Released(m.Worker));
    }

    /// <summary>
    /// A stage actor that throws has met a fault of ours: the run ends with it instead of continuing from a restarted actor.
    /// </summary>
    protected override SupervisorStrategy SupervisorStrategy()
    {
        var self = Self;
        return new OneForOneStrategy(cause =>
        {
            self.Tell(new StageFailed(_stageName, cause), _stage);
            return Directive.Stop;
        });
    }

    protected override void OnJournalLost(JournalException failure) => _client.Tell(new RunFailed("journal", failure));

    protected override void OnFactRefused(IOException failure) => End(new RunFailed("journal", failure));

    private sealed record ArtifactsChecked(IReadOnlyList<ExperimentEvent> Damages, Exception? Failure);

    private sealed record ResultsCollected(Exception? Failure);

    private void Run(RunExperiment command)
    {
        _client = Sender;
        _onlyStage = command.OnlyStage;
        if (State.Accepted is { } accepted && accepted.Hash != _settings.Hash)
        {
            End(new RunFailed("start", new UserErrorException(
                $"{_settings.Folder.Root} holds a run of another experiment ('{accepted.Name}', {accepted.Hash[..12]}; this one is "
                + $"{_settings.Hash[..12]}): choose another --out, or run with the experiment that it was started with.")));
            return;
        }
        ExperimentEvent[] facts = State.Accepted is null
            ? [
                new ExperimentAccepted(
                    _settings.Experiment.Name, _settings.Hash, _settings.Experiment.Data.Path ?? RunFolder.EmbeddedBenchmark,
                    _settings.Conditions),
                new CoordinatorStarted(),
            ]
            : [new CoordinatorStarted()];
        var resumed = State.Accepted is not null;
        PersistFacts(facts, () =>
        {
            // Workers that open the data see whether it is what it was.
            WhenSettled(resumed ? CheckArtifacts : Next);
            _settings.Roster.Tell(new WatchWorkers());
        });
    }

    private void Arrived(WorkerArrived arrived)
    {
        _pool.Open(arrived.Worker);
        arrived.Worker.Actor.Tell(new OpenExperiment(_settings.Id, _settings.Experiment, _settings.Hash, State.Data));
    }

    private void Opened(ExperimentOpened opened)
    {
        if (_pool.Opened(opened.Worker) is not { } worker) return;
        _stage.Tell(new WorkerArrived(worker));
        Settle();
    }

    private void Refused(ExperimentRefused refused)
    {
        if (_pool.Refused(refused.Worker) is not { } worker) return;
        var missing = refused.Failure.Kind == FailureKind.MissingInput;
        // A worker had the data set, and in a cluster may rejoin.
        var othersMayCome = missing && State.Data is not null && _settings.Conditions is null;
        if (_pool.IsEmpty && _stage.IsNobody() && !othersMayCome)
        {
            End(new RunFailed("start", refused.Failure.ToException()));
            return;
        }
        Warn($"worker {worker.Info.Name} can't take part in this experiment: {refused.Failure.Message}"
            + (missing && _settings.Conditions is null
                ? " Put it there, under the same path as on the other nodes, and restart this node." : ""));
        Settle();
    }

    private void Gone(WorkerGone gone)
    {
        _releasing.Remove(gone.Number);
        if (!_pool.Remove(gone.Number)) return;
        _stage.Tell(gone);
        Settle();
    }

    /// <summary>No stage uses the worker any more, and none will.</summary>
    private void Released(int worker)
    {
        if (!_releasing.Remove(worker)) return;
        _pool.Remove(worker);
        _settings.Roster.Tell(new WorkerReleased(worker));
        Settle();
    }

    /// <summary>
    /// Does something as soon as all workers there are have opened the experiment, and there is one; a request to stop does not wait for
    /// that.
    /// </summary>
    private void WhenSettled(Action next)
    {
        _whenSettled = next;
        Settle();
        if (_stopping && _whenSettled is not null) EndStopped();
    }

    private void Settle()
    {
        if (_whenSettled is not { } next || !_pool.Settled) return;
        _whenSettled = null;
        next();
    }

    private void CheckArtifacts()
    {
        var (state, plan, settings) = (State, _plan, _settings);
        Task.Run(() => new ArtifactsChecked(ArtifactCheck.Damages(state, plan, settings.Files), null))
            .PipeTo(Self, failure: e => new ArtifactsChecked([], e));
    }

    private void Checked(ArtifactsChecked check)
    {
        if (check.Failure is { } failure)
        {
            End(new RunFailed("resume", failure));
            return;
        }
        foreach (var damage in check.Damages) Warn(ArtifactCheck.Describe(damage));
        PersistFacts(check.Damages, Next);
    }

    private void Next()
    {
        if (_onlyStage is not null) RunOnly(_plan[_onlyStage]);
        else if (State.Next(_plan) is not { } spec) Complete();
        else if (_stopping) End(new RunStopped(spec.Name));
        else if (_pausing) Rest(spec);
        else Start(spec);
    }

    /// <summary>A stage that is not training ends before it makes room for a pause.</summary>
    private void Rest(StageSpec next)
    {
        _resting = true;
        Publish(new RunPaused(next.Name));
    }

    private void Resume(ResumeExperiment command)
    {
        _pausing = false;
        _stage.Forward(command);
        if (!_resting) return;
        _resting = false;
        Next();
    }

    private void RunOnly(StageSpec spec)
    {
        if (spec.Reads.FirstOrDefault(r => !State.Completed.ContainsKey(r)) is { } missing)
        {
            End(new RunFailed(spec.Name, new UserErrorException(
                $"stage {spec.Name} needs the result of stage {missing}, which has not run in {_settings.Folder.Root}: run it first, or " +
                $"all with clipmoe run --resume.")));
            return;
        }
        _before = State.Completed.GetValueOrDefault(spec.Name);
        PersistFact(new StageReset(spec.Name), _ => Start(spec));
    }

    private void Start(StageSpec spec) => PersistFact(new StageStarted(spec.Name), _ =>
    {
        if (_stopping)
        {
            End(new RunStopped(spec.Name));
            return;
        }
        var steps = State.StepsOf(spec.Name);
        if (!spec.Descriptor.TakesSteps || steps is not null)
            Publish(new StageStartedEvent(spec.Name, steps, State.CommittedSteps(spec.Name)));
        _stageName = spec.Name;
        var firstGeneration = State.Terms * GenerationsPerTerm + _sessions++ * GenerationsPerSession;
        var start = new StageFactory.Start(
            _settings.Experiment, _settings.Folder, _settings.Files, State, _pool.Ready, firstGeneration, _settings.Holds);
        _stage = Context.ActorOf(StageFactory.Create(spec, start), $"{spec.Name}-{_sessions}");
    });

    private void Record(JournalFact command)
    {
        var sender = Sender;
        PersistFact(command.Fact, fact =>
        {
            sender.Tell(new FactJournaled(fact));
            if (fact is StepsCheckpointed c) Publish(new CheckpointSaved(c.Stage, c.ToStep, RunFolder.StageFolder(c.Stage)));
            if (fact is StepsPlanned p) Publish(new StageStartedEvent(p.Stage, p.TotalSteps, State.CommittedSteps(p.Stage)));
        });
    }

    private void Done(CompleteStage done)
    {
        // A stage that said so before is closed.
        if (!Sender.Equals(_stage)) return;
        PersistFact(new StageCompleted(done.Stage, done.Result), completed =>
        {
            Publish(new StageCompletedEvent(completed.Stage, completed.Result));
            CloseStage();
            foreach (var worker in _releasing.ToList()) Released(worker);
            if (_onlyStage is not null)
            {
                ResetOutOfDate(completed);
                return;
            }
            // Once the data set is known, workers open it before they are given anything more.
            if (_plan[completed.Stage] is PrepareData)
                foreach (var worker in _pool.Known.ToList()) Arrived(new WorkerArrived(worker));
            WhenSettled(Next);
        });
    }

    /// <summary>A stage that misses a file continues once that is recomputed.</summary>
    private void Failed(StageFailed failed)
    {
        // Several workers may have missed the same file.
        if (!Sender.Equals(_stage)) return;
        if (failed.Cause is LostFileException lost) MakeAgain(failed.Stage, lost);
        else End(new RunFailed(failed.Stage, failed.Cause));
    }

    private void MakeAgain(string stage, LostFileException lost)
    {
        var damages = ArtifactCheck.Damages(State, lost.File, lost.Message);
        if (damages.Count == 0)
        {
            End(new RunFailed(stage, lost));
            return;
        }
        CloseStage();
        foreach (var damage in damages) Warn(ArtifactCheck.Describe(damage));
        PersistFacts(damages, () => WhenSettled(Next));
    }

    /// <summary>After another result than before, what was built on it is of no use.</summary>
    private void ResetOutOfDate(StageCompleted completed)
    {
        IReadOnlyList<string> outOfDate = _before is null || _before.Sha256 == completed.Result.Sha256
            ? []
            : [.. _plan.BuiltOn(completed.Stage).Where(State.Completed.ContainsKey)];
        PersistFacts([.. outOfDate.Select(stage => new StageReset(stage))],
            () => End(new StageRerun(completed.Stage, completed.Result, outOfDate)));
    }

    /// <summary>
    /// Everything has been made: what a run is for is brought here before it is finished, for the nodes that have it may leave.
    /// </summary>
    private void Complete()
    {
        var (state, files) = (State, _settings.Files);
        Task.Run(() => Collect(state, files)).PipeTo(Self, failure: e => new ResultsCollected(e));
    }

    private static ResultsCollected Collect(ExperimentState state, RunFiles files)
    {
        foreach (var stage in (string[])[StagePlan.Base, StagePlan.Routers, StagePlan.Evaluate]) files.Local(state.FileOf(stage));
        return new ResultsCollected(null);
    }

    private void Finish(ResultsCollected collected)
    {
        if (collected.Failure is LostFileException lost)
        {
            MakeAgain(StagePlan.Evaluate, lost);
            return;
        }
        if (collected.Failure is { } failure)
        {
            End(new RunFailed(StagePlan.Evaluate, failure));
            return;
        }
        if (State.WeightsSha256 is not null)
        {
            End(new RunFinished(State));
            return;
        }
        PersistFact(new ExperimentCompleted(State.Completed[StagePlan.Routers].Sha256!), _ => End(new RunFinished(State)));
    }

    private void Stop()
    {
        _stopping = true;
        if (_stage.IsNobody()) EndStopped();
        else _stage.Tell(new StopExperiment());
    }

    private void EndStopped() => End(new RunStopped(State.Next(_plan)?.Name ?? StagePlan.Evaluate));

    private void End(RunOutcome outcome)
    {
        _whenSettled = null;
        CloseStage();
        _client.Tell(outcome);
    }

    /// <summary>
    /// Workers free what they hold for the stage. A coordinator that is lost leaves it to the next one, which continues it.
    /// </summary>
    private void CloseStage()
    {
        if (_stage.IsNobody()) return;
        Context.Stop(_stage);
        _stage = ActorRefs.Nobody;
        foreach (var worker in _pool.Known) worker.Actor.Tell(new LeaveStage(_stageName));
    }

    private void Warn(string text)
    {
        _log.Warning(text);
        Publish(new RunWarning(text));
    }
}
