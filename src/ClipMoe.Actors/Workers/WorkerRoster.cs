using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Workers;

/// <summary>
/// Which workers there are. They make themselves known; they are gone when their process ends or leaves the cluster, and for as long as it is
/// unreachable. A worker that was restarted is another one.
/// </summary>
public sealed class WorkerRoster : ReceiveActor
{
    private sealed record Entry(Worker Worker, bool Reachable, bool Drained);

    private readonly int _term;
    private readonly int _expected;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly SortedDictionary<int, Entry> _entries = [];
    private IActorRef _watcher = ActorRefs.Nobody;
    private int _numbers;

    /// <param name="term">Counts the coordinators of the cluster.</param>
    /// <param name="expected">Nobody is told of any worker before there are so many.</param>
    public WorkerRoster(int term, int expected)
    {
        _term = term;
        _expected = expected;
        Receive<WorkerHello>(Hello);
        Receive<ClusterEvent.UnreachableMember>(m => SetReachable(m.Member.Address, false));
        Receive<ClusterEvent.ReachableMember>(m => SetReachable(m.Member.Address, true));
        Receive<WatchWorkers>(_ => Watch());
        Receive<Terminated>(t => t.ActorRef.Equals(_watcher), _ => _watcher = ActorRefs.Nobody);
        Receive<Terminated>(t => Lose(t.ActorRef, "its process ended or left the cluster"));
        Receive<ListWorkers>(_ => Sender.Tell(new WorkerList([.. _entries.Values.Select(e => new ListedWorker(
            e.Worker.Number, e.Worker.Info, StateOf(e)))])));
        Receive<DrainWorker>(Drain);
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

    private bool Complete => _entries.Count >= _expected;

    private static WorkerState StateOf(Entry entry) =>
        entry.Drained ? WorkerState.Drained : entry.Reachable ? WorkerState.Active : WorkerState.Unreachable;

    private void Hello(WorkerHello hello)
    {
        if (_entries.Values.FirstOrDefault(e => e.Worker.Actor.Equals(Sender)) is { } known)
        {
            Sender.Tell(new WorkerWelcome(known.Worker.Number, _term));
            return;
        }
        if (_entries.Values.FirstOrDefault(e => e.Worker.Info.Name == hello.Info.Name) is { } before)
            Lose(before.Worker.Actor, "it was started again");
        var worker = new Worker(++_numbers, Context.Watch(Sender), hello.Info);
        var wasComplete = Complete;
        _entries.Add(worker.Number, new Entry(worker, Reachable: true, Drained: false));
        _log.Info("Worker {0} is number {1}", hello.Info.Name, worker.Number);
        Sender.Tell(new WorkerWelcome(worker.Number, _term));
        if (wasComplete) _watcher.Tell(new WorkerArrived(worker));
        else if (Complete) TellAll();
    }

    private void Watch()
    {
        _watcher = Context.Watch(Sender);
        if (Complete) TellAll();
    }

    private void TellAll()
    {
        foreach (var entry in _entries.Values.Where(e => StateOf(e) == WorkerState.Active)) _watcher.Tell(new WorkerArrived(entry.Worker));
    }

    private void Lose(IActorRef actor, string why)
    {
        if (_entries.Values.FirstOrDefault(e => e.Worker.Actor.Equals(actor)) is not { Worker: var worker }) return;
        Context.Unwatch(actor);
        _entries.Remove(worker.Number);
        _log.Warning("Worker {0} is gone: {1}", worker.Info.Name, why);
        _watcher.Tell(new WorkerGone(worker.Number, why));
    }

    private void SetReachable(Address address, bool reachable)
    {
        foreach (var entry in _entries.Values.Where(e => e.Worker.Actor.Path.Address.Equals(address) && e.Reachable != reachable).ToList())
        {
            _entries[entry.Worker.Number] = entry with { Reachable = reachable };
            if (entry.Drained) continue;
            if (reachable) _watcher.Tell(new WorkerArrived(entry.Worker));
            else _watcher.Tell(new WorkerGone(entry.Worker.Number, "it can't be reached"));
        }
    }

    private void Drain(DrainWorker drain)
    {
        if (_entries.Values.FirstOrDefault(e => e.Worker.Info.Name == drain.Name) is not { } entry)
        {
            Sender.Tell(new CommandRefused($"there is no worker {drain.Name}; there are: {string.Join(", ", _entries.Values.Select(e => e.Worker.Info.Name))}."));
            return;
        }
        if (drain.Back && !entry.Drained)
        {
            Sender.Tell(new CommandDone($"worker {drain.Name} is given work already."));
            return;
        }
        _entries[entry.Worker.Number] = entry with { Drained = !drain.Back };
        if (drain.Back) _watcher.Tell(new WorkerArrived(entry.Worker));
        else if (_watcher.IsNobody()) Released(entry.Worker.Number);
        else _watcher.Tell(new ReleaseWorker(entry.Worker.Number));
        Sender.Tell(new CommandDone(drain.Back
            ? $"worker {drain.Name} is given work again."
            : $"worker {drain.Name} finishes its step and is given no more work."));
    }

    private void Released(int number)
    {
        _watcher.Tell(new WorkerGone(number, "it is drained"));
        if (_entries.TryGetValue(number, out var entry)) entry.Worker.Actor.Tell(new WorkerDismissed());
    }
}
