using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Stages;

/// <summary>A stage that is one piece of work of one worker, whichever; another gets it when that one is lost.</summary>
public abstract class SingleWork : StageActor
{
    private readonly object _work;
    private int? _worker;

    protected SingleWork(string stage, object work, IEnumerable<Worker> workers)
        : base(stage, workers)
    {
        _work = work;
    }

    protected Stopwatch Clock { get; } = Stopwatch.StartNew();

    protected override void PreStart() => Give();

    protected override void OnArrived(Worker worker) => Give();

    protected override void OnGone(Worker worker)
    {
        if (_worker != worker.Number) return;
        _worker = null;
        Give();
    }

    private void Give()
    {
        if (_worker is not null || Workers.Count == 0) return;
        var (number, worker) = Workers.First();
        _worker = number;
        worker.Actor.Tell(_work);
    }
}

/// <summary>Work that ends with a model file.</summary>
public sealed class ModelBuilding : SingleWork
{
    public ModelBuilding(string stage, object work, IEnumerable<Worker> workers)
        : base(stage, work, workers)
    {
        Receive<ModelBuilt>(m => m.Stage == stage, m => Context.Parent.Tell(
            new CompleteStage(stage, new StageResult(m.File.Path, m.File.Sha256, Clock.Elapsed.TotalSeconds))));
        Receive<StopExperiment>(_ =>
        {
            // The work takes seconds and leaves nothing half done: it is finished rather than stopped, if a worker is on it.
            if (Workers.Count == 0) Context.Parent.Tell(new StageStopped(stage));
        });
    }
}
