using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>
/// The session and the aggregators of a training stage as they are, with model workers and a model network. Whatever must never happen is
/// checked as it happens.
/// </summary>
internal sealed class TrainingWorld
{
    public const string Stage = StagePlan.Base;

    /// <summary>More than anything may take to answer.</summary>
    public static readonly TimeSpan Long = TimeSpan.FromMinutes(3);

    private static readonly TrainModel Spec =
        StagePlan.For(TestExperiments.Small).Stages.OfType<TrainModel>().First(s => s.Name == Stage) with { WarmupSteps = 0 };

    private readonly OneThread _actors;
    private readonly List<ModelWorker> _workers = [];
    private readonly HashSet<ModelWorker> _known = [];
    private readonly HashSet<ModelWorker> _writers = [];
    private readonly List<(ModelWorker From, IActorRef To, object Content)> _said = [];
    private readonly ModelNetwork _network;
    private readonly ModelJournal _journal;
    private IActorRef _aggregator = ActorRefs.Nobody;
    private bool _ended;

    public TrainingWorld(OneThread actors, History history)
    {
        (_actors, History, Arithmetic) = (actors, history, new Arithmetic(history.Leaves));
        (_network, _journal) = (new ModelNetwork(Log), new ModelJournal(this));
        for (var i = 0; i < history.Workers; i++) Add();
        TakeOver();
    }

    public History History { get; }

    public Arithmetic Arithmetic { get; }

    /// <summary>Weights by manifest hash.</summary>
    public Dictionary<string, ulong> Checkpoints { get; } = [];

    public Dictionary<int, Generation> Generations { get; } = [];

    public IActorRef Coordinator { get; set; } = ActorRefs.Nobody;

    public IActorRef Session { get; set; } = ActorRefs.Nobody;

    /// <summary>Counts the coordinators.</summary>
    public int Term { get; private set; }

    public bool Paused { get; private set; }

    /// <summary>The stage ended, or what must never happen did.</summary>
    public bool Done { get; private set; }

    public string? Violation { get; private set; }

    public List<object> Log { get; } = [];

    public IReadOnlyList<ModelWorker> Living => [.. _workers.Where(w => w.Lives)];

    /// <summary>Workers of which the coordinator knows.</summary>
    public IReadOnlyCollection<ModelWorker> Known => _known;

    public Generation? Newest => Generations.Count == 0 ? null : Generations[Generations.Keys.Max()];

    public ModelWorker? ByNumber(int number) => _workers.FirstOrDefault(w => w.Number == number);

    public void Check(bool holds, string otherwise)
    {
        if (holds || Violation is not null) return;
        Violation = otherwise;
        Log.Add($"!!! {otherwise}");
        Done = true;
    }

    /// <summary>A replica that takes part has made each step once, whatever happened; one that erred is found out by its report.</summary>
    public void CheckWeights(ModelWorker worker, int step) => Check(
        History.Operations.Any(o => o.What == Happening.Err) || worker.Weights == Arithmetic.Undisturbed(step),
        $"worker {worker.Number} has not the weights of an undisturbed run after {step} steps");

    /// <summary>What the journal says at the end.</summary>
    public void CheckLedger() =>
        Check(SampleLedger.Violations(_journal.State, new StagePlan([Spec])) is [], "the ledger has gaps or overlaps");

    public bool CanCompute(StepId id)
    {
        var generation = Generations[id.Generation];
        return generation.Met(id.Step) || generation.Broke || SomeLeft(generation) || generation.Members.All(IsThere);

        bool IsThere(int member) => ByNumber(member) is { Hangs: false } worker && worker.WaitsIn == id;
    }

    /// <returns>False: a member is gone.</returns>
    public bool Meet(Generation generation, int step)
    {
        generation.Broke |= SomeLeft(generation);
        if (generation.Broke) return false;
        Check(generation.Covers(History.Leaves), $"the leaves of generation {generation.Number} are not each once there");
        generation.Meet(step, m => ByNumber(m)!.Weights);
        return true;
    }

    /// <summary>A worker says something to the session or an aggregator.</summary>
    public void Say(ModelWorker from, IActorRef to, object message)
    {
        _said.Add((from, to, message));
        _network.Post((from, $"worker {from.Number}"), (to, to.Path.Name), message, () =>
        {
            if (message is CheckpointWritten) _writers.Remove(from);
            to.Tell(message, ActorRefs.NoSender);
        });
    }

    /// <summary>The session or an aggregator says something to a worker.</summary>
    public void Order(ModelWorker to, object message, IActorRef sender)
    {
        switch (message)
        {
            case OpenGeneration open:
                _aggregator = sender;
                Open(open);
                Generations[open.Generation].Told(to.Number, open.Leaves);
                break;
            case CommitStep { Id: var id }:
                Check(id.Generation == Newest!.Number, $"generation {id.Generation} commits step {id.Step} after {Newest.Number} began");
                Check(Newest.Commit(id.Step), $"generation {id.Generation} commits step {id.Step} at {Newest.Next}, or too early");
                break;
            case WriteCheckpoint { Duty: CheckpointDuty.Write }:
                _writers.Add(to);
                break;
            // What it writes is no longer awaited.
            case LeaveStage { Why: not null }:
                _writers.Remove(to);
                to.TimesLeft++;
                break;
        }
        _network.Post((sender, sender.Path.Name), (to, $"worker {to.Number}"), message, () =>
        {
            if (to.Lives) to.Receive(message, sender);
        });
    }

    /// <summary>The session says something to its coordinator.</summary>
    public void Said(object message)
    {
        Log.Add($"session says: {Trace.Of(message)}");
        switch (message)
        {
            case JournalFact { Fact: var fact }:
                _journal.Add(fact);
                _network.Post((Coordinator, "coordinator"), (Session, "session"), new FactJournaled(fact), () =>
                {
                    _journal.Write(fact);
                    Session.Tell(new FactJournaled(fact), Coordinator);
                });
                break;
            case CompleteStage:
                Check(!_ended, "the stage ended twice");
                _ended = true;
                // The coordinator takes in what it was told before.
                _journal.WriteAll();
                Check(_journal.Steps == History.Steps, $"the stage ended with {_journal.Steps} steps in the journal");
                Done = true;
                break;
            case WorkerReleased released when ByNumber(released.Worker) is { } worker:
                _known.Remove(worker);
                worker.Die();
                break;
            case StageFailed failed:
                Check(false, $"the stage failed: {failed.Cause}");
                break;
        }
    }

    public void Tell(object message)
    {
        Log.Add($"-> session: {Trace.Of(message)}");
        Session.Tell(message, Coordinator);
    }

    public void DeliverOne(int which) => _network.DeliverOne(which);

    /// <summary>Everything that is under way arrives, and devices do what they can.</summary>
    /// <returns>False: nothing happened.</returns>
    public bool Sweep()
    {
        var moved = _network.DeliverAll();
        foreach (var worker in _workers)
            for (; worker.CanWork; moved = true) worker.DoWork();
        return moved;
    }

    /// <summary>Of what may come late or twice, which is what says of which attempt it is. The latest are of most interest.</summary>
    public void Repeat(int which)
    {
        var repeatable = _said.Where(s => IsRepeatable(s.Content)).Reverse().Take(24).ToList();
        if (repeatable.Count == 0) return;
        var (_, to, content) = repeatable[3 * which % repeatable.Count];
        Log.Add($"again: {Trace.Of(content)}");
        (content is GradientReady ? _aggregator : to).Tell(content, ActorRefs.NoSender);

        static bool IsRepeatable(object message) =>
            message is GradientReady or GenerationAbandoned or StillHere or ExchangeBroke or CopyFailed or CheckpointWritten;
    }

    public void Pass(TimeSpan time) => _actors.Pass(time);

    /// <summary>The session looks at what it waits for until that has taken too long.</summary>
    public void PassLooks()
    {
        for (var look = 0; look <= DeviceWatch.MostLooks; look++) Pass(DeviceWatch.LookEvery);
    }

    /// <summary>The step in flight takes longer than it may.</summary>
    public void Overdue()
    {
        if (Newest is { } late) Tell(new StepOverdue(new StepId(Stage, late.Number, late.Next), Long));
    }

    public void Arrive()
    {
        var worker = Add();
        _known.Add(worker);
        Tell(new WorkerArrived(Address(worker)));
    }

    /// <summary>The coordinator is told of one that died.</summary>
    public void Notice(ModelWorker dead)
    {
        _known.Remove(dead);
        _writers.Remove(dead);
        Tell(new WorkerGone(dead.Number, "it was killed"));
    }

    public void Pause(bool pause)
    {
        Paused = pause;
        Tell(pause ? new PauseExperiment() : new ResumeExperiment());
    }

    /// <summary>Nothing is left of the coordinator before but its journal; what was under way is lost.</summary>
    public void TakeOver()
    {
        Close();
        Term++;
        Paused = false;
        _network.Clear();
        _journal.LoseWaiting();
        _said.Clear();
        _writers.Clear();
        _known.Clear();
        foreach (var (worker, i) in Living.Select((w, i) => (w, i)))
        {
            worker.LoseCoordinator();
            worker.Number = 100 * Term + i + 1;
            _known.Add(worker);
        }
        var join = new JoinStage(Spec, 0, _journal.Steps, null, null, _journal.State.Ledger.LastOrDefault()?.ManifestSha256);
        var settings = new TrainingSession.SessionSettings(
            join, _journal.State.StepsOf(Stage), History.Leaves, BatchSize: 16, History.CheckpointEvery, 1000 * Term, 0, LastLoss: null);
        List<Worker> workers = [.. _known.Select(Address)];
        _actors.Begin(() => new ModelCoordinator(this, () => new TrainingSession(settings, workers)));
    }

    public void Close() => Coordinator.Tell(PoisonPill.Instance);

    private bool SomeLeft(Generation generation) => generation.Members.Any(m => ByNumber(m)!.Left(generation.Number));

    private void Open(OpenGeneration open)
    {
        var (number, step) = (open.Generation, open.Step);
        if (Generations.ContainsKey(number)) return;
        Check(Newest is null || number > Newest.Number, $"generation {number} comes after {Newest?.Number}");
        Check(step >= _journal.StepsTold, $"generation {number} begins at {step}, and repeats what is in the ledger");
        Check(_writers.All(w => w.Committed <= step), $"generation {number} begins at {step}, and repeats what is being written");
        Generations[number] = new Generation(number, step, [.. open.Members.SelectMany(r => Enumerable.Range(r.First, r.End - r.First))]);
    }

    private ModelWorker Add()
    {
        var worker = new ModelWorker(this, 100 * Term + _workers.Count + 1);
        _workers.Add(worker);
        return worker;
    }

    private Worker Address(ModelWorker worker)
    {
        var name = $"w{worker.Number}";
        var info = new WorkerInfo(name, new WorkerDevice("cpu", 1), new BulkEndpoint(name, 1), worker.Number % 2 == 0 ? "here" : "there");
        return new Worker(worker.Number, new Outbox(this, worker, _actors.Provider), info);
    }
}
