using System.Diagnostics;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Journal;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Nodes.Chaos;

/// <param name="Repeat">What to type to have the same faults again.</param>
/// <param name="Hash">Of what decides the experiment's weights.</param>
/// <param name="Faults">At least so many are done, also when the time is over before.</param>
/// <param name="Expected">Its final weights; null: found out by an undisturbed run first.</param>
internal sealed record SoakSettings(
    string Repeat, Experiment Experiment, string Hash, ulong Seed, double Minutes, int Faults, ClusterPlan Cluster, string? Expected);

/// <summary>
/// Runs an experiment again and again on a cluster to which faults are done, until the time is over and the last one has ended. Each must
/// end in the weights of the undisturbed run, with each sample once per epoch in the journal.
/// </summary>
internal sealed class Soak(SoakSettings settings, Action<string> say)
{
    /// <summary>Without any progress for so long, something hangs.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(250), PossibleWithin = TimeSpan.FromSeconds(1);

    private readonly SoakRecord _record = new();
    private readonly Stopwatch _clock = new();
    private readonly HashSet<string> _over = [];

    private bool IsOver => _clock.Elapsed >= TimeSpan.FromMinutes(settings.Minutes) && _record.FaultCount >= settings.Faults;

    /// <param name="stop">Ends it at once, with what is known so far.</param>
    public async Task<SoakSummary> Run(CancellationToken stop)
    {
        UndisturbedRun? undisturbed = null;
        try
        {
            if (settings.Expected is null)
            {
                Say("the undisturbed run, for comparison");
                undisturbed = await UndisturbedRun.RunToEnd(
                    settings.Experiment, Path.Combine(settings.Cluster.Output, "undisturbed"), settings.Cluster.Devices.Split(',', '*')[0]);
            }
            await Disturb(settings.Expected ?? undisturbed!.WeightsSha256, stop);
        }
        catch (OperationCanceledException)
        {
            Say("stopped");
        }
        finally
        {
            _clock.Stop();
        }
        return _record.Summary(
            settings.Repeat, settings.Seed, settings.Minutes, _clock.Elapsed, stop.IsCancellationRequested, settings.Expected
            ?? undisturbed?.WeightsSha256,
            undisturbed?.StepsPerSecond);
    }

    private async Task Disturb(string expected, CancellationToken stop)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        try
        {
            await using var cluster = new ChaosCluster(settings.Cluster);
            await using var view = new ClusterView([.. cluster.Nodes.Select(n => n.Address)], ended.Token);
            await using var injector = new FaultInjector(cluster, settings.Cluster.Journal == ClusterPlan.Sqlite, view, _record, _clock);
            foreach (var node in cluster.Nodes) node.Start();
            var following = view.Follow(injector.Mend);
            var injecting = Task.CompletedTask;
            try
            {
                await AllWorkers(cluster, view, "began to work", stop);
                _clock.Start();
                injecting = InjectAll(injector, ended.Token);
                while (_record.Violations.Count == 0 && !IsOver) await RunOne(view, expected, stop);
                _clock.Stop();
                if (_record.Violations.Count == 0) await AllWorkers(cluster, view, "were back at the end", stop);
            }
            finally
            {
                await ended.CancelAsync();
                await Task.WhenAll(following, injecting);
            }
        }
        finally
        {
            KillWhatIsLeft();
        }
    }

    /// <summary>Nothing should be.</summary>
    private void KillWhatIsLeft()
    {
        foreach (var (process, line) in ProcessTable.With($" --out {settings.Cluster.Output}/"))
        {
            // The process that started the soak has its folder in the command line, too.
            if (!line.Contains("worker --name ", StringComparison.Ordinal) && !line.Contains("node --listen ", StringComparison.Ordinal))
                continue;
            Signals.Send(process, Signal.Kill);
            _record.Violation($"process {process} was left behind: {line}");
        }
    }

    /// <summary>Draws faults until the time is over, and returns when all is as it was.</summary>
    private async Task InjectAll(FaultInjector injector, CancellationToken stop)
    {
        try
        {
            foreach (var fault in FaultSchedule.FromSeed(settings.Seed))
            {
                await Task.Delay(fault.Wait, stop);
                if (IsOver) break;
                if (await InjectWhenPossible(injector, fault, stop) is { } hit)
                {
                    _record.Fault(fault.Kind);
                    Say($"{SoakSummary.Describe(fault.Kind)}: {hit}");
                }
                else
                {
                    _record.Impossible();
                }
            }
            await injector.Mended;
            Say("no more faults; the experiment runs to its end");
        }
        catch (OperationCanceledException)
        {
            // The soak is over.
        }
    }

    /// <summary>After another fault it may take a moment until there is again what a fault can be done to.</summary>
    /// <returns>What was hit; null when it did not become possible.</returns>
    private static async Task<string?> InjectWhenPossible(FaultInjector injector, PlannedFault fault, CancellationToken stop)
    {
        for (var waited = Stopwatch.StartNew(); ; await Task.Delay(Glance, stop))
        {
            if (await injector.Inject(fault) is { } hit) return hit;
            if (waited.Elapsed > PossibleWithin) return null;
        }
    }

    /// <summary>Waits until as many workers are active as the nodes have.</summary>
    private async Task AllWorkers(ChaosCluster cluster, ClusterView view, string what, CancellationToken stop)
    {
        var wanted = cluster.Nodes.Count * Nodes.Cluster.WorkerDevices.Parse(settings.Cluster.Devices).Count;
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < Patience; await Task.Delay(Glance, stop))
            if (view.Status?.Workers.Count(w => w.State == WorkerState.Active) == wanted) return;
        var found = view.Status is { } status
            ? string.Join(", ", status.Workers.Select(w => $"{w.Info.Name} {w.State.ToString().ToLowerInvariant()}"))
            : "no node answers";
        _record.Violation($"not all of {wanted} workers {what} within {Patience.TotalMinutes:0} minutes ({found})");
    }

    private async Task RunOne(ClusterView view, string expected, CancellationToken stop)
    {
        if (await Submit(view, stop) is not { } id)
        {
            _record.Violation($"no coordinator took an experiment within {Patience.TotalMinutes:0} minutes");
            return;
        }
        var clock = Stopwatch.StartNew();
        var last = "nothing";
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(Patience);
        try
        {
            await foreach (var e in view.Watch(id, patience.Token))
            {
                if (e is RunEvent shown) _record.Event(id, shown, _clock.Elapsed);
                if (e is StageProgress p) last = $"{p.Stage} {p.Done} of {p.Total}";
                if (e is StageProgress or StageStartedEvent or StageCompletedEvent) patience.CancelAfter(Patience);
                if (e is CommandRefused refused) _record.Violation($"{id} is lost: {refused.Message}");
                if (e is ExperimentEnded ended) Judge(ended, expected, clock.Elapsed);
            }
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            _record.Violation($"{id} hangs: nothing was done for {Patience.TotalMinutes:0} minutes after {last}");
        }
        _over.Add(id);
    }

    /// <summary>
    /// A request without an answer may still be done: an experiment that is there already is as good.
    /// </summary>
    private async Task<string?> Submit(ClusterView view, CancellationToken stop)
    {
        var request = $"{Guid.NewGuid()}";
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < Patience; await Task.Delay(Glance, stop))
        {
            if (view.Status?.Experiments.FirstOrDefault(IsOpen) is { } there) return there.Id;
            if (await view.Try<ExperimentSubmitted>(new SubmitExperiment(settings.Experiment, settings.Hash, request)) is { } submitted)
                return submitted.Id;
        }
        return null;

        bool IsOpen(ListedExperiment e) =>
            e.Status is ExperimentStatus.Waiting or ExperimentStatus.Running or ExperimentStatus.Paused && !_over.Contains(e.Id);
    }

    private void Judge(ExperimentEnded ended, string expected, TimeSpan took)
    {
        if (ended.Status != ExperimentStatus.Finished)
        {
            _record.Violation($"{ended.Id} {ended.Status.ToString().ToLowerInvariant()}: {ended.Message}");
            return;
        }
        var wrong = Ledger(ended.Id).Select(gap => $"{ended.Id}, {gap}").ToList();
        if (ended.WeightsSha256 != expected) wrong.Add($"{ended.Id} ended in the weights {ended.WeightsSha256} in place of {expected}");
        foreach (var violation in wrong) _record.Violation(violation);
        if (wrong.Count > 0) return;
        _record.Finished(new SoakedExperiment(ended.Id, took.TotalSeconds, expected));
        Say($"{ended.Id} ended in the weights of the undisturbed run, after {took.TotalSeconds:0} s");
        Clear(ended.Id);
    }

    private IReadOnlyList<string> Ledger(string id) => settings.Cluster.Journal == ClusterPlan.Sqlite
        ? SampleLedger.Violations(JournalReader.Read(settings.Cluster.SqliteFile, id), StagePlan.For(settings.Experiment))
        : [];

    /// <summary>A soak of hours would fill the disk.</summary>
    private void Clear(string id)
    {
        foreach (var node in Directory.EnumerateDirectories(settings.Cluster.Output))
        {
            try
            {
                if (Directory.Exists(Path.Combine(node, id))) Directory.Delete(Path.Combine(node, id), recursive: true);
            }
            catch (IOException)
            {
                // A process still writes there; that much may stay.
            }
        }
    }

    private void Say(string what) => say($"{_clock.Elapsed:mm\\:ss\\.f}  {what}");
}
