using ClipMoe.Model.Metrics;

namespace ClipMoe.Model.Training;

/// <summary>What a worker spends the time of a step on.</summary>
public sealed class StepPhase
{
    /// <summary>Waiting for samples that are not decoded yet, and tokens.</summary>
    public static readonly StepPhase DataWait = new("data_wait", headline: true);

    /// <summary>Forward and backward pass, and the sums of gradients of the worker's own micro-batches.</summary>
    public static readonly StepPhase ImageTower = new("image_tower");

    /// <inheritdoc cref="ImageTower"/>
    public static readonly StepPhase TextTower = new("text_tower");

    public static readonly StepPhase Loss = new("loss");

    /// <summary>Waiting for other workers, and for the network.</summary>
    public static readonly StepPhase Exchange = new("exchange", headline: true);

    /// <summary>AdamW of the previous step, and the hash of the weights.</summary>
    public static readonly StepPhase Update = new("update");

    public static IReadOnlyList<StepPhase> All { get; } = [DataWait, ImageTower, TextTower, Loss, Exchange, Update];

    private StepPhase(string name, bool headline = false)
    {
        Mean = new Metric($"time/{name}", MetricKind.Mean, "s", Headline: headline);
        Slowest = new Metric($"time/{name}/slowest", MetricKind.Max, "s");
    }

    /// <summary>Over the workers.</summary>
    public Metric Mean { get; }

    public Metric Slowest { get; }
}

/// <summary>
/// Seconds of one worker by phase, on one thread. A GPU computes while the processor goes on and is waited for where its results are read,
/// so with one a phase may take time that belongs to the phase before it.
/// </summary>
public sealed class StepClock(TimeProvider time)
{
    private readonly Dictionary<StepPhase, TimeSpan> _spent = [];
    private StepPhase? _phase;
    private long _since;

    public StepClock()
        : this(TimeProvider.System)
    {
    }

    /// <summary>What follows is of this phase, until what is returned is disposed; then the previous phase resumes.</summary>
    public Scope Enter(StepPhase phase) => new(this, Switch(phase));

    /// <summary>Forgets the time of a step that did not come to its end.</summary>
    public void Clear() => _spent.Clear();

    /// <summary>Takes out the seconds of all phases.</summary>
    public void Empty(MetricBag into)
    {
        foreach (var phase in StepPhase.All)
        {
            var seconds = _spent.GetValueOrDefault(phase).TotalSeconds;
            into.Add(phase.Mean, seconds);
            into.Add(phase.Slowest, seconds);
        }

        _spent.Clear();
    }

    private StepPhase? Switch(StepPhase? phase)
    {
        var (before, now) = (_phase, time.GetTimestamp());
        if (before is not null) _spent[before] = _spent.GetValueOrDefault(before) + time.GetElapsedTime(_since, now);
        (_phase, _since) = (phase, now);
        return before;
    }

    public readonly struct Scope(StepClock clock, StepPhase? before) : IDisposable
    {
        public void Dispose() => clock.Switch(before);
    }
}
