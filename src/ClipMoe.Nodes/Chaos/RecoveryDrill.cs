using System.Diagnostics;
using System.Threading.Channels;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Nodes.Chaos;

/// <param name="Kills">Of workers, one after another, each when the one before is back.</param>
/// <param name="Minutes">For so long steps are counted undisturbed, and again with a worker killed at the beginning of each minute.</param>
internal sealed record DrillSettings(Experiment Experiment, string Hash, ClusterPlan Cluster, int Kills, int Minutes);

/// <summary>Seconds.</summary>
/// <param name="WorkerKilled">From the kill -9 of a worker to the next step that the others committed.</param>
/// <param name="WorkerBack">From it to the first step that the worker took part in again.</param>
/// <param name="HeldUp">Not seconds: the longest interval between two commits around the first step with the worker, in median
/// ones.</param>
/// <param name="CoordinatorKilled">From the kill -9 of the node that runs the experiment to the next committed step.</param>
/// <param name="UndisturbedSteps">A second, with all workers.</param>
/// <param name="DisturbedSteps">A second, with a worker killed every minute.</param>
internal sealed record DrillResult(
    RecoveryTimes WorkerKilled, RecoveryTimes WorkerBack, RecoveryTimes HeldUp, double CoordinatorKilled, double UndisturbedSteps,
    double DisturbedSteps)
{
    /// <summary>By a kill a minute.</summary>
    public double ShareLost => 1 - DisturbedSteps / UndisturbedSteps;
}

/// <summary>
/// Measures what the loss of a process costs a cluster of this machine that trains: processes are killed one at a time, and commits
/// watched.
/// </summary>
internal sealed class RecoveryDrill(DrillSettings settings, Action<string> say)
{
    /// <summary>Steps before anything is measured: the code is compiled for good then.</summary>
    private const int WarmUp = 200;

    /// <summary>So many commits before and after a worker's first one are looked at.</summary>
    private const int Around = 20;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3), Glance = TimeSpan.FromMilliseconds(100);

    private readonly Channel<Commit> _commits = Channel.CreateUnbounded<Commit>();

    private readonly record struct Commit(int Generation, int Workers, int Step, long At);

    /// <exception cref="TimeoutException">What was waited for did not happen.</exception>
    public async Task<DrillResult> Run(CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await using var cluster = new ChaosCluster(settings.Cluster);
        await using var view = new ClusterView([.. cluster.Nodes.Select(n => n.Address)], over.Token);
        foreach (var node in cluster.Nodes) node.Start();
        var following = view.Follow(_ => Task.CompletedTask);
        var watching = Task.CompletedTask;
        try
        {
            await Until(() => view.Status?.Workers.Count(w => w.State == WorkerState.Active) == cluster.Nodes.Count, "all workers began",
                over.Token);
            var submitted = await view.Try<ExperimentSubmitted>(new SubmitExperiment(settings.Experiment, settings.Hash,
                $"{Guid.NewGuid()}"))
                ?? throw new TimeoutException("the cluster took no experiment");
            watching = Watch(view, submitted.Id, over.Token);
            await Next(c => c.Workers == cluster.Nodes.Count && c.Step >= WarmUp, over.Token);
            return await Measure(cluster, view, over.Token);
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(following, watching);
        }
    }

    private async Task<DrillResult> Measure(ChaosCluster cluster, ClusterView view, CancellationToken stop)
    {
        var (killed, back, heldUp) = (new List<double>(), new List<double>(), new List<double>());
        for (var n = 0; n < settings.Kills; n++)
        {
            var at = await KillWorker(cluster, n, stop, killed);
            var (joined, held) = await Join(cluster.Nodes.Count, stop);
            back.Add(Seconds(at, joined));
            heldUp.Add(held);
            say($"worker killed: next step after {killed[^1]:0.00} s, in its place again after {back[^1]:0.0} s: {held:0.0} median steps");
        }

        var quiet = await StepsPerSecond(() => Task.CompletedTask, stop);
        say($"undisturbed: {quiet:0.0} steps a second");
        var kills = settings.Kills;
        var disturbed = await StepsPerSecond(() => KillWorker(cluster, kills++, stop, []), stop);
        say($"a kill a minute: {disturbed:0.0} steps a second");
        await Next(c => c.Workers == cluster.Nodes.Count, stop);

        await Until(() => view.Status is not null, "a coordinator answered", stop);
        var coordinator = cluster.Nodes.Single(n => n.Address == view.Status!.Coordinator);
        var lost = Stopwatch.GetTimestamp();
        await coordinator.Kill();
        // Where it alone may run experiments, nothing continues before it is back.
        if (settings.Cluster.Journal == ClusterPlan.Sqlite) coordinator.Start();
        var moved = Seconds(lost, await Next(c => c.At > lost, stop));
        say($"coordinator's node killed: next step after {moved:0.0} s");
        return new DrillResult(RecoveryTimes.FromSeconds(killed)!, RecoveryTimes.FromSeconds(back)!, RecoveryTimes.FromSeconds(heldUp)!,
            moved, quiet, disturbed);
    }

    /// <summary>Waits until all workers train.</summary>
    /// <returns>Their first step, and the longest interval between two commits around it, in median ones.</returns>
    private async Task<(Commit Joined, double HeldUp)> Join(int workers, CancellationToken stop)
    {
        var commits = new List<Commit>();
        var joined = -1;
        await Next(c =>
        {
            commits.Add(c);
            if (joined < 0 && c.Workers == workers) joined = commits.Count - 1;
            return joined >= 0 && commits.Count > joined + Around;
        }, stop);
        var around = commits.Skip(Math.Max(0, joined - Around)).ToList();
        var intervals = around.Zip(around.Skip(1), (one, next) => Seconds(one.At, next)).Order().ToList();
        return (commits[joined], intervals[^1] / intervals[intervals.Count / 2]);
    }

    /// <returns>When.</returns>
    private async Task<long> KillWorker(ChaosCluster cluster, int number, CancellationToken stop, List<double> recovered)
    {
        // All are there, so that each kill is the first.
        var last = await Next(c => c.Workers == cluster.Nodes.Count, stop);
        // Not that of the node that coordinates as long as nothing went wrong with it.
        var worker = cluster.Nodes[1 + number % (cluster.Nodes.Count - 1)].Workers().Single();
        var at = Stopwatch.GetTimestamp();
        Signals.Send(worker.Process, Signal.Kill);
        recovered.Add(Seconds(at, await Next(c => c.Generation > last.Generation, stop)));
        return at;
    }

    private async Task<double> StepsPerSecond(Func<Task> eachMinute, CancellationToken stop)
    {
        var first = await Next(_ => true, stop);
        for (var minute = 0; minute < settings.Minutes; minute++)
        {
            await eachMinute();
            await Next(c => Seconds(first.At, c) >= 60 * (minute + 1), stop);
        }
        var last = await Next(_ => true, stop);
        return (last.Step - first.Step) / Seconds(first.At, last);
    }

    private static double Seconds(long from, Commit to) => Seconds(from, to.At);

    private static double Seconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalSeconds;

    /// <summary>Drops what was committed meanwhile, and waits for a step that is like that.</summary>
    private async Task<Commit> Next(Func<Commit, bool> isIt, CancellationToken stop)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(Patience);
        while (_commits.Reader.TryRead(out _))
        {
            // It was committed before the question.
        }
        try
        {
            while (true)
                if (await _commits.Reader.ReadAsync(patience.Token) is var commit && isIt(commit)) return commit;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new TimeoutException($"the step that was waited for did not come within {Patience.TotalMinutes:0} minutes; the nodes' " +
                $"logs are in {settings.Cluster.Output}");
        }
    }

    private async Task Watch(ClusterView view, string id, CancellationToken stop)
    {
        try
        {
            await foreach (var e in view.Watch(id, stop))
                if (e is StageProgress { Generation: { } generation } p)
                    _commits.Writer.TryWrite(new Commit(generation, p.Workers, p.Done, Stopwatch.GetTimestamp()));
        }
        catch (OperationCanceledException)
        {
            // The drill is over.
        }
    }

    private static async Task Until(Func<bool> isSo, string what, CancellationToken stop)
    {
        for (var waited = Stopwatch.StartNew(); !isSo(); await Task.Delay(Glance, stop))
            if (waited.Elapsed > Patience) throw new TimeoutException(
                $"it was not so within {Patience.TotalMinutes:0} minutes that {what}");
    }
}
