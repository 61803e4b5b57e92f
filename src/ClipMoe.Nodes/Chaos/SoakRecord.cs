using ClipMoe.Actors.Experiments;

namespace ClipMoe.Nodes.Chaos;

/// <summary>
/// What happens in a soak, as faults and the experiments' events tell it, from several threads. Times are since its beginning.
/// </summary>
internal sealed class SoakRecord
{
    /// <summary>Training that has committed nothing for longer is being disturbed already.</summary>
    private static readonly TimeSpan Lively = TimeSpan.FromSeconds(3);

    private readonly Lock _gate = new();
    private readonly Dictionary<ChaosFault, int> _faults = [];
    private readonly Dictionary<(string Experiment, string Stage), int> _committed = [];
    private readonly List<SoakedExperiment> _experiments = [];
    private readonly List<double> _recoveries = [];
    private readonly List<string> _violations = [];
    private readonly List<KilledMember> _killed = [];
    private (string Stage, int Generation, int Members, TimeSpan At)? _last;
    private TimeSpan _progress;
    private int _impossible;

    private sealed record KilledMember(string Stage, int Generation, TimeSpan At);

    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_gate) return [.. _violations];
        }
    }

    /// <summary>Workers that take steps together just now; none between two training stages, and when none was committed of late.</summary>
    public int MembersAt(TimeSpan now)
    {
        lock (_gate) return _last is { } last && now - last.At < Lively ? last.Members : 0;
    }

    /// <summary>Whether the experiment has got on since.</summary>
    public bool HasProgressed(TimeSpan since)
    {
        lock (_gate) return _progress > since;
    }

    public int FaultCount
    {
        get
        {
            lock (_gate) return _faults.Values.Sum();
        }
    }

    public void Fault(ChaosFault kind)
    {
        lock (_gate) _faults[kind] = _faults.GetValueOrDefault(kind) + 1;
    }

    public void Impossible()
    {
        lock (_gate) _impossible++;
    }

    /// <param name="workers">That there were; how long the others take is measured where all of them were training.</param>
    public void WorkerKilled(TimeSpan at, int workers)
    {
        lock (_gate)
            if (MembersAt(at) == workers && _last is { } last) _killed.Add(new KilledMember(last.Stage, last.Generation, at));
    }

    /// <summary>The time that a step takes from here on is not a killed worker's.</summary>
    public void CoordinatorGone()
    {
        lock (_gate) _killed.Clear();
    }

    public void Event(string experiment, RunEvent e, TimeSpan at)
    {
        lock (_gate)
        {
            if (e is StageProgress or StageCompletedEvent) _progress = at;
            if (e is StageProgress { Generation: { } generation } step) Committed(experiment, step, generation, at);
            if (e is not (StageCompletedEvent or RunPaused)) return;
            _last = null;
            _killed.Clear();
        }
    }

    public void Finished(SoakedExperiment experiment)
    {
        lock (_gate) _experiments.Add(experiment);
    }

    public void Violation(string what)
    {
        lock (_gate) _violations.Add(what);
    }

    /// <param name="undisturbed">Steps a second.</param>
    public SoakSummary Summary(string repeat, ulong seed, double minutes, TimeSpan elapsed, bool interrupted, string? expected,
        double? undisturbed)
    {
        lock (_gate)
        {
            var steps = _committed.Values.Sum();
            var rate = elapsed > TimeSpan.Zero ? steps / elapsed.TotalSeconds : 0;
            return new SoakSummary(
                repeat, seed, minutes, elapsed.TotalSeconds, interrupted, expected, _faults.ToDictionary(), _impossible, [.. _experiments],
                steps, rate,
                undisturbed, undisturbed is { } full ? 1 - rate / full : null, RecoveryTimes.FromSeconds(_recoveries), [.. _violations]);
        }
    }

    private void Committed(string experiment, StageProgress step, int generation, TimeSpan at)
    {
        // After a return to a checkpoint steps are committed again, which counts once.
        var key = (experiment, step.Stage);
        _committed[key] = Math.Max(_committed.GetValueOrDefault(key), step.Done);
        foreach (var killed in _killed.Where(k => k.Stage == step.Stage && k.Generation < generation).ToList())
        {
            _recoveries.Add((at - killed.At).TotalSeconds);
            _killed.Remove(killed);
        }
        _last = (step.Stage, generation, step.Workers, at);
    }
}
