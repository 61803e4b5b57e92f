using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Extraction;

/// <summary>
/// Hands out shards of the data set as leases: a worker that is free takes the next one, so fast workers take more. A shard is done when its
/// file and hash are journaled; what is done is never extracted again.
/// </summary>
public sealed class FeatureExtraction : ReceiveActor
{
    private readonly ExtractFeatures _spec;
    private readonly string _model;
    private readonly ShardLayout _layout;
    private readonly Queue<int> _open;
    private readonly IReadOnlyDictionary<int, IActorRef> _workers;
    private readonly HashSet<int> _leased = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _remaining;
    private int _samples;
    private bool _stopping;

    public FeatureExtraction(
        ExtractFeatures spec, string model, ShardLayout layout, IReadOnlySet<int> done, IReadOnlyDictionary<int, IActorRef> workers)
    {
        _spec = spec;
        _model = model;
        _layout = layout;
        _workers = workers;
        _open = new Queue<int>(Enumerable.Range(0, layout.Count).Where(s => !done.Contains(s)));
        _remaining = _open.Count;
        Receive<ShardReady>(m => m.Stage == spec.Name, Ready);
        Receive<FactJournaled>(Journaled);
        Receive<StopExperiment>(_ =>
        {
            _stopping = true;
            EndIfDone();
        });
        Receive<WorkFailed>(f => f.Stage == spec.Name, f => Context.Parent.Tell(new StageFailed(spec.Name, f.Cause)));
    }

    protected override void PreStart()
    {
        foreach (var worker in _workers.Keys) Lease(worker);
        EndIfDone();
    }

    protected override void PostStop()
    {
        foreach (var worker in _workers.Values) worker.Tell(new LeaveStage(_spec.Name));
    }

    private void Lease(int worker)
    {
        if (_stopping || !_open.TryDequeue(out var shard)) return;
        _leased.Add(shard);
        var (first, end) = _layout[shard];
        _workers[worker].Tell(new ExtractShard(_spec.Name, shard, first, end, _model));
    }

    private void Ready(ShardReady ready)
    {
        _samples += ready.Samples;
        Lease(ready.Worker);
        Context.Parent.Tell(new JournalFact(new ShardExtracted(_spec.Name, ready.Shard, ready.File.Path, ready.File.Sha256)));
    }

    private void Journaled(FactJournaled journaled)
    {
        if (journaled.Fact is not ShardExtracted shard) return;
        _leased.Remove(shard.Shard);
        _remaining--;
        Context.System.EventStream.Publish(new StageProgress(
            _spec.Name, _layout.Count - _remaining, _layout.Count, null, null, _samples / _clock.Elapsed.TotalSeconds, _workers.Count));
        EndIfDone();
    }

    private void EndIfDone()
    {
        if (_remaining == 0)
        {
            Context.Parent.Tell(new StageDone(_spec.Name, new StageResult(null, null, _clock.Elapsed.TotalSeconds)
            {
                ImagesPerSecond = _samples == 0 ? null : _samples / _clock.Elapsed.TotalSeconds,
            }));
        }
        else if (_stopping && _leased.Count == 0)
        {
            Context.Parent.Tell(new StageStopped(_spec.Name));
        }
    }
}
