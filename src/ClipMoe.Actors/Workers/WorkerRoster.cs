using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Workers;

/// <summary>
/// Which workers there are, and which of them are given work. They make themselves known; they are gone when their process ends or leaves
/// the cluster, and for as long as it is unreachable. A worker that was restarted is another one. Of more than are wanted the others stay
/// in reserve, and replace those that are lost.
/// </summary>
public sealed class WorkerRoster : ReceiveActor
{
    private sealed record RosterEntry(Worker Worker)
    {
        public bool Reachable { get; init; } = true;
        public bool Drained { get; init; }
        public Duty Duty { get; init; }
    }

    private readonly int _term;
    private readonly int _expected;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly SortedDictionary<int, RosterEntry> _entries = [];
    private IActorRef _watcher = ActorRefs.Nobody;
    private readonly HashSet<string> _drained;
    private int? _max;
    private int _numbers;

    /// <param name="term">Counts the schedulers of the cluster.</param>
    /// <param name="expected">No worker is announced before there are so many.</param>
    /// <param name="max">No more are given work at a time; null: all.</param>
    /// <param name="drained">Names of those that are given no work.</param>
    public WorkerRoster(int term, int expected, int? max, IReadOnlySet<string> drained)
    {
        _drained = [.. drained];
        _term = term;
        _expected = expected;
        _max = max;
        Receive<WorkerHello>(Hello);
        Receive<ClusterEvent.UnreachableMember>(m => SetReachable(m.Member.Address, false));
        Receive<ClusterEvent.ReachableMember>(m => SetReachable(m.Member.Address, true));
        Receive<WatchWorkers>(_ => Watch());
        Receive<Terminated>(t => t.ActorRef.Equals(_watcher), _ => SetWatcher(ActorRefs.Nobody));
        Receive<Terminated>(t => Lose(t.ActorRef, "its process ended or left the cluster"));
        Receive<ListWorkers>(_ => Sender.Tell(new WorkerList([.. _entries.Values.Select(e => new ListedWorker(
            e.Worker.Number, e.Worker.Info, StateOf(e)))])));
        Receive<DrainWorker>(Drain);
        Receive<WorkerRetires>(Retire);
        Receive<ScaleWorkers>(Scale);
        Receive<WorkerReleased>(m => Released(m.Worker));
    }

    protected override void PreStart()
    {
        if (Context.System is ExtendedActorSystem { Provider: IClusterActorRefProvider })
        {
            Cluster.Get(Context.System).Subscribe(
                Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.ReachabilityEvent));
        }
    }

    protected override void PostStop()
    {
        if (Context.System is ExtendedActorSystem { Provider: IClusterActorRefProvider }) Cluster.Get(Context.System).Unsubscribe(Self);
    }

    private static WorkerState StateOf(RosterEntry entry) => entry switch
    {
        { Drained: true } => WorkerState.Drained,
        { Reachable: false } => WorkerState.Unreachable,
        { Duty: Duty.Working } => WorkerState.Active,
        _ => WorkerState.Reserve,
    };

    private void Hello(WorkerHello hello)
    {
        if (_entries.Values.FirstOrDefault(e => e.Worker.Actor.Equals(Sender)) is { } known)
        {
            Sender.Tell(new WorkerWelcome(known.Worker.Number, _term));
            return;
        }
        if (Find(hello.Info.Name) is { } before)
            Lose(before.Worker.Actor, "it was started again");
        var worker = new Worker(++_numbers, Context.Watch(Sender), hello.Info);
        _entries.Add(worker.Number, new RosterEntry(worker) { Drained = _drained.Contains(hello.Info.Name) });
        _log.Info("Worker {0} registered as number {1}", hello.Info.Name, worker.Number);
        Sender.Tell(new WorkerWelcome(worker.Number, _term));
        Choose();
    }

    private void Watch()
    {
        SetWatcher(Context.Watch(Sender));
        foreach (var entry in _entries.Values.Where(e => e.Duty == Duty.Working)) _watcher.Tell(new WorkerArrived(entry.Worker));
    }

    /// <summary>Work of leaving workers is no longer waited for.</summary>
    private void SetWatcher(IActorRef watcher)
    {
        _watcher = watcher;
        foreach (var number in _entries.Where(e => e.Value.Duty == Duty.Leaving).Select(e => e.Key).ToList()) Released(number);
    }

    /// <summary>Takes workers in and releases them until as many are at work as are wanted.</summary>
    private void Choose()
    {
        if (_entries.Count < _expected) return;
        var (taken, released) = WorkerChoice.Choose(
            _entries.Select(e => new Candidate(e.Key, e.Value.Reachable && !e.Value.Drained, e.Value.Duty)), _max);
        foreach (var number in released)
        {
            _entries[number] = _entries[number] with { Duty = Duty.Leaving };
            if (_watcher.IsNobody()) Released(number);
            else _watcher.Tell(new ReleaseWorker(number));
        }
        foreach (var number in taken)
        {
            _entries[number] = _entries[number] with { Duty = Duty.Working };
            _watcher.Tell(new WorkerArrived(_entries[number].Worker));
        }
    }

    private void Lose(IActorRef actor, string why)
    {
        if (_entries.Values.FirstOrDefault(e => e.Worker.Actor.Equals(actor)) is not { Worker: var worker }) return;
        Context.Unwatch(actor);
        _entries.Remove(worker.Number);
        _log.Warning("Worker {0} was lost: {1}", worker.Info.Name, why);
        _watcher.Tell(new WorkerGone(worker.Number, why));
        Choose();
    }

    private void SetReachable(Address address, bool reachable)
    {
        foreach (var entry in _entries.Values.Where(e => e.Worker.Actor.Path.Address.Equals(address) && e.Reachable != reachable).ToList())
        {
            _entries[entry.Worker.Number] = entry with { Reachable = reachable, Duty = Duty.Reserve };
            if (entry.Duty != Duty.Reserve) _watcher.Tell(new WorkerGone(entry.Worker.Number, "it can't be reached"));
        }
        Choose();
    }

    private void Drain(DrainWorker drain)
    {
        var entry = Find(drain.Name);
        if (entry is null && !(drain.Back && _drained.Contains(drain.Name)))
        {
            Sender.Tell(new CommandRefused(
                $"there is no worker {drain.Name}; there are: {string.Join(", ", _entries.Values.Select(e => e.Worker.Info.Name))}."));
            return;
        }
        if (drain.Back && entry is { Drained: false })
        {
            Sender.Tell(new CommandDone($"worker {drain.Name} is active already."));
            return;
        }
        if (drain.Back) _drained.Remove(drain.Name);
        else _drained.Add(drain.Name);
        if (entry is not null) SetDrained(entry, !drain.Back);
        Context.Parent.Forward(new DrainAccepted(drain, drain.Back
            ? $"worker {drain.Name} is active again."
            : $"worker {drain.Name} finishes its step and then gets no more work."));
    }

    /// <summary>This process only: the one that is started in its place is given work.</summary>
    private void Retire(WorkerRetires retiring)
    {
        if (Find(retiring.Name) is { } entry) SetDrained(entry, true);
    }

    private RosterEntry? Find(string name) => _entries.Values.FirstOrDefault(e => e.Worker.Info.Name == name);

    private void SetDrained(RosterEntry entry, bool drained)
    {
        _entries[entry.Worker.Number] = entry with { Drained = drained };
        if (drained && entry.Duty == Duty.Reserve) entry.Worker.Actor.Tell(new WorkerDismissed());
        Choose();
    }

    private void Scale(ScaleWorkers scale)
    {
        _max = scale.Max;
        Choose();
        var reserve = _entries.Values.Count(e => StateOf(e) == WorkerState.Reserve);
        Sender.Tell(new CommandDone(scale.Max is { } max
            ? $"at most {max} workers are active; {reserve} of {_entries.Count} are in reserve."
            : "all workers are active."));
    }

    private void Released(int number)
    {
        if (!_entries.TryGetValue(number, out var entry) || entry.Duty != Duty.Leaving) return;
        _entries[number] = entry with { Duty = Duty.Reserve };
        _watcher.Tell(new WorkerGone(number, entry.Drained ? "it is drained" : "it stays in reserve"));
        if (entry.Drained) entry.Worker.Actor.Tell(new WorkerDismissed());
        Choose();
    }
}
