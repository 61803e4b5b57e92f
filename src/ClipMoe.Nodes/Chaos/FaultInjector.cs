using System.Diagnostics;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Nodes.Chaos;

/// <summary>
/// Does to a cluster what is planned, and makes good what does not mend itself: continues what it stopped, starts again what it ended. One
/// fault at a time begins; what it lasts overlaps with others. It always leaves alive what the experiment needs to continue.
/// </summary>
internal sealed class FaultInjector(ChaosCluster cluster, bool oneCoordinator, ClusterView view, SoakRecord record, Stopwatch clock)
    : IAsyncDisposable
{
    /// <summary>A worker needs so long from its start until it trains with the others, as a rule.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(5);

    /// <summary>Losing the coordinator costs more time than all the rest: the others are to be seen too.</summary>
    private static readonly TimeSpan BetweenCoordinators = TimeSpan.FromSeconds(45);

    private static readonly TimeSpan OrderWithin = TimeSpan.FromSeconds(3), HealWithin = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(20);

    private readonly CancellationTokenSource _ending = new();
    private readonly List<Task> _mending = [];
    private readonly Lock _gate = new();
    private readonly HashSet<int> _stopped = [];
    private readonly HashSet<string> _drained = [];
    private readonly HashSet<ChaosNode> _away = [];
    private bool _paused;
    private TimeSpan _coordinatorGone = -BetweenCoordinators;
    private TimeSpan _killed = TimeSpan.MinValue;

    /// <summary>Everything is as it was, as far as it is this object's to make good.</summary>
    public Task Mended => Task.WhenAll(_mending);

    /// <returns>What was hit; null when the cluster can't take this fault now.</returns>
    public async Task<string?> Inject(PlannedFault fault) => fault.Kind switch
    {
        ChaosFault.KillWorker => KillWorker(fault),
        ChaosFault.StopWorker => StopWorker(fault),
        ChaosFault.CloseStream => await Order(fault, RequestedFault.CloseStream, members: 2),
        ChaosFault.FlipFrame => await Order(fault, RequestedFault.FlipFrame, members: 2),
        ChaosFault.FlipWeight => await FlipWeight(fault),
        ChaosFault.Pause => await Pause(fault),
        ChaosFault.DrainWorker => await Drain(fault),
        ChaosFault.KillNode => await End(Other(fault), fault, kill: true),
        ChaosFault.RestartNode => await End(Other(fault), fault, kill: false),
        ChaosFault.AddNode => Add(fault),
        ChaosFault.KillCoordinator => await EndCoordinator(fault, kill: true),
        ChaosFault.RestartCoordinator => await EndCoordinator(fault, kill: false),
        _ => throw new ArgumentOutOfRangeException(nameof(fault), fault.Kind, null),
    };

    /// <summary>
    /// A request without an answer may be done late: what is paused or drained unintentionally is resumed.
    /// </summary>
    public async Task Mend(ClusterStatus status)
    {
        if (!_paused && status.Experiments.Any(e => e.Status == ExperimentStatus.Paused))
            await view.Try<CommandDone>(new ControlExperiment(Control.Resume, null));
        foreach (var worker in status.Workers.Where(w => w.State == WorkerState.Drained).Select(w => w.Info.Name))
            if (!IsMeantToBeDrained(worker)) await view.Try<CommandDone>(new DrainWorker(worker, Back: true));
    }

    /// <summary>Makes good nothing any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await Mended.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    private string? KillWorker(PlannedFault fault)
    {
        var workers = Settled();
        if (workers.Count < 2 || !HasRecovered()) return null;
        var worker = fault.Among(workers);
        _killed = clock.Elapsed;
        record.WorkerKilled(_killed, cluster.Workers().Count());
        return Signals.Send(worker.Process, Signal.Kill) ? worker.Name : null;
    }

    private string? StopWorker(PlannedFault fault)
    {
        var workers = Settled();
        if (workers.Count < 2) return null;
        var worker = fault.Among(workers);
        lock (_gate) _stopped.Add(worker.Process);
        if (!Signals.Send(worker.Process, Signal.Stop)) return null;
        Later(fault.Length, () =>
        {
            Signals.Send(worker.Process, Signal.Continue);
            lock (_gate) _stopped.Remove(worker.Process);
            return Task.CompletedTask;
        });
        return $"{worker.Name} for {fault.Length.TotalSeconds:0.0} s";
    }

    private async Task<string?> FlipWeight(PlannedFault fault)
    {
        // Of two that differ there is no telling which is right, and one alone does not see it.
        if (await Order(fault, RequestedFault.FlipWeight, members: 3) is not { } hit) return null;
        await Task.Delay(HealWithin, _ending.Token);
        return hit;
    }

    /// <param name="members">That must be training together.</param>
    private async Task<string?> Order(PlannedFault fault, RequestedFault order, int members)
    {
        var workers = Settled();
        if (record.MembersAt(clock.Elapsed) < members || workers.Count < members) return null;
        var worker = fault.Among(workers);
        var orders = new FaultRequests(worker.Node.Output, worker.Process);
        orders.Place(order);
        for (var waited = Stopwatch.StartNew(); orders.IsOpen(order) && waited.Elapsed < OrderWithin;)
            await Task.Delay(Glance, _ending.Token);
        return orders.Take(order) ? null : worker.Name;
    }

    private async Task<string?> Pause(PlannedFault fault)
    {
        if (view.Status?.Experiments.Any(e => e.Status == ExperimentStatus.Running) != true) return null;
        _paused = true;
        if (await view.Try<CommandDone>(new ControlExperiment(Control.Pause, null)) is null)
        {
            _paused = false;
            return null;
        }
        Later(fault.Length, async () =>
        {
            _paused = false;
            await view.Try<CommandDone>(new ControlExperiment(Control.Resume, null));
        });
        return $"for {fault.Length.TotalSeconds:0.0} s";
    }

    private async Task<string?> Drain(PlannedFault fault)
    {
        var workers = Settled();
        if (view.Status is null || workers.Count < 2) return null;
        var worker = fault.Among(workers).Name;
        lock (_gate) _drained.Add(worker);
        var done = await view.Try<CommandDone>(new DrainWorker(worker, Back: false));
        Later(done is null ? TimeSpan.Zero : fault.Length, async () =>
        {
            lock (_gate) _drained.Remove(worker);
            await view.Try<CommandDone>(new DrainWorker(worker, Back: true));
        });
        return done is null ? null : $"{worker} for {fault.Length.TotalSeconds:0.0} s";
    }

    private string? Add(PlannedFault fault)
    {
        if (cluster.Additional is not null) return null;
        var node = cluster.Add();
        Later(fault.Length, async () =>
        {
            lock (_gate) _away.Add(node);
            await Leave(node);
            lock (_gate) _away.Remove(node);
            cluster.Forget();
        });
        return $"{node.Address} for {fault.Length.TotalSeconds:0.0} s";
    }

    private async Task<string?> EndCoordinator(PlannedFault fault, bool kill)
    {
        if (clock.Elapsed - _coordinatorGone < BetweenCoordinators) return null;
        var ended = await End(Coordinator(), fault, kill);
        if (ended is not null) _coordinatorGone = clock.Elapsed;
        return ended;
    }

    /// <summary>One node at a time, and never the last workers but with the coordinator.</summary>
    private async Task<string?> End(ChaosNode? node, PlannedFault fault, bool kill)
    {
        if (node is not { Runs: true } || IsAnyAway() || !HasRecovered()) return null;
        if (node == Coordinator()) record.CoordinatorGone();
        else if (Settled().All(w => w.Node == node)) return null;
        lock (_gate) _away.Add(node);
        _killed = clock.Elapsed;
        if (kill) await node.Kill();
        Later(TimeSpan.Zero, async () =>
        {
            if (!kill) await Leave(node);
            await Task.Delay(fault.Length, _ending.Token);
            node.Start();
            lock (_gate) _away.Remove(node);
        });
        return node.Address;
    }

    private async Task Leave(ChaosNode node)
    {
        if (await node.Leave()) return;
        record.Violation($"node {node.Address}, told to leave by SIGTERM, did not leave in good order: see {node.Output}.log");
    }

    private ChaosNode? Coordinator() => oneCoordinator ? cluster.Nodes[0]
        : cluster.Nodes.FirstOrDefault(n => n.Address == view.Status?.Coordinator);

    private ChaosNode? Other(PlannedFault fault)
    {
        var coordinator = Coordinator();
        var others = cluster.Nodes.Where(n => n != coordinator).ToList();
        return coordinator is null || others.Count == 0 ? null : fault.Among(others);
    }

    /// <summary>Workers that have had the time to take part, and are not made to stand still or to go.</summary>
    private List<ChaosWorker> Settled()
    {
        lock (_gate)
            return [.. cluster.Workers().Where(w => !_stopped.Contains(w.Process) && !_drained.Contains(w.Name) && !_away.Contains(w.Node)
                && ProcessTable.AgeOf(w.Process) > Settling)];
    }

    /// <summary>Kills that follow each other before anything is done would show nothing but starts.</summary>
    private bool HasRecovered() => record.HasProgressed(_killed);

    private bool IsAnyAway()
    {
        lock (_gate) return _away.Count > 0;
    }

    /// <summary>By a fault, or because its node is leaving.</summary>
    private bool IsMeantToBeDrained(string worker)
    {
        lock (_gate) return _drained.Contains(worker) || _away.Any(n => worker.StartsWith($"{n.Address}/", StringComparison.Ordinal));
    }

    private void Later(TimeSpan wait, Func<Task> mend) => _mending.Add(Task.Run(async () =>
    {
        await Task.Delay(wait, _ending.Token);
        await mend();
    }));
}
