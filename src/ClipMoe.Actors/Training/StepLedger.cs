using System.Diagnostics;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Training;

/// <summary>The committed steps of a stage that no journaled checkpoint contains yet, and how fast they came.</summary>
internal sealed class StepLedger(string stage, int batchSize, int ledgered, double secondsBefore)
{
    private readonly SortedDictionary<int, MetricBag> _steps = [];
    private readonly Stopwatch _clock = new();
    private readonly int _first = ledgered;
    private int _ledgered = ledgered;
    private double _ledgeredSeconds;

    /// <summary>Steps that are in the journal.</summary>
    public int Step => _ledgered;

    /// <summary>Seconds of the stage, those of earlier runs included.</summary>
    public double Seconds => secondsBefore + _clock.Elapsed.TotalSeconds;

    /// <summary>The loss of the last committed step.</summary>
    public double? LastLoss { get; private set; }

    public void Begin(double? lastLoss)
    {
        LastLoss ??= lastLoss;
        _clock.Start();
    }

    public void Commit(int step, MetricBag metrics)
    {
        LastLoss = metrics[StepLoss.Total];
        // A step whose generation broke while it was being committed is committed again by the next one, with the same loss. After
        // training went back to a checkpoint a later one may still be journaled, which a worker was writing that did not answer in time.
        if (step >= _ledgered) _steps[step] = metrics;
    }

    /// <summary>Images a second up to so many committed steps; null when none were done here.</summary>
    public double? Rate(int committed) => committed == _first ? null : (committed - _first) * batchSize / _clock.Elapsed.TotalSeconds;

    /// <summary>The fact that a checkpoint adds to the journal; null when its steps are there already.</summary>
    public StepsCheckpointed? Checkpoint(CheckpointWritten written, int generation)
    {
        if (written.Step <= _ledgered) return null;
        var seconds = _clock.Elapsed.TotalSeconds;
        var steps = _steps.Where(s => s.Key < written.Step).ToList();
        foreach (var (step, _) in steps) _steps.Remove(step);
        List<LossSample> losses = [.. steps.Select(s => new LossSample(s.Key, s.Value[StepLoss.Total]))];
        var fact = new StepsCheckpointed(stage, _ledgered, written.Step, written.ManifestSha256, seconds - _ledgeredSeconds, losses)
        {
            Generation = generation,
            Metrics = MetricSummary.Summarize(steps.Select(s => s.Value)),
        };
        (_ledgered, _ledgeredSeconds) = (written.Step, seconds);
        return fact;
    }
}
