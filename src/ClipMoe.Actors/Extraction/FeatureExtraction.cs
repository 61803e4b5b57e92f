using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Extraction;

/// <summary>
/// Hands out shards of the training set as leases to free workers, so that a fast one takes more. A shard is done when its
/// file and hash are journaled; what is done is never extracted again.
/// </summary>
public sealed class FeatureExtraction : StageActor
{
    private readonly WrittenFile _model;
    private readonly ShardLayout _layout;
    private readonly Leases<int> _leases;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _journaled;
    private int _inJournal;
    private int _samples;
    private bool _stopping;

    /// <param name="done">Shards in the journal.</param>
    public FeatureExtraction(
        ExtractFeatures spec, WrittenFile model, ShardLayout layout, IReadOnlySet<int> done, IEnumerable<Worker> workers)
        : base(spec.Name, workers)
    {
        _model = model;
        _layout = layout;
        _journaled = done.Count;
        _leases = new Leases<int>(Enumerable.Range(0, layout.Count).Where(s => !done.Contains(s)));
        Receive<ShardReady>(m => m.Stage == Stage, Ready);
        Receive<FactJournaled>(Journaled);
        Receive<StopExperiment>(_ =>
        {
            _stopping = true;
            EndIfDone();
        });
    }

    protected override void PreStart()
    {
        foreach (var worker in Workers.Values) OnArrived(worker);
        EndIfDone();
    }

    protected override void OnArrived(Worker worker)
    {
        if (_stopping || !_leases.TryTake(worker.Number, out var shard)) return;
        var (first, end) = _layout[shard];
        worker.Actor.Tell(new ExtractShard(Stage, shard, first, end, _model));
    }

    protected override void OnGone(Worker worker)
    {
        _leases.Return(worker.Number);
        foreach (var other in Workers.Values) OnArrived(other);
        EndIfDone();
    }

    private void Ready(ShardReady ready)
    {
        if (!_leases.Done(ready.Worker, ready.Shard)) return;
        _samples += ready.Samples;
        _inJournal++;
        Context.Parent.Tell(new JournalFact(new ShardExtracted(Stage, ready.Shard, ready.File.Path, ready.File.Sha256)));
        OnArrived(Workers[ready.Worker]);
    }

    private void Journaled(FactJournaled journaled)
    {
        if (journaled.Fact is not ShardExtracted) return;
        _inJournal--;
        _journaled++;
        Publish(new StageProgress(Stage, _journaled, _layout.Count, null, null, _samples / _clock.Elapsed.TotalSeconds, Workers.Count));
        EndIfDone();
    }

    private void EndIfDone()
    {
        if (_inJournal > 0) return;
        if (_leases.AllDone)
        {
            Context.Parent.Tell(new CompleteStage(Stage, new StageResult(null, null, _clock.Elapsed.TotalSeconds)
            {
                ImagesPerSecond = _samples == 0 ? null : _samples / _clock.Elapsed.TotalSeconds,
            }));
        }
        else if (_stopping && _leases.NoneHeld)
        {
            Context.Parent.Tell(new StageStopped(Stage));
        }
    }
}
