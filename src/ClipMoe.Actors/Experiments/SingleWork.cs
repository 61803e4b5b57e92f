using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Experiments;

/// <summary>A stage that is one piece of work of one worker and ends with a model file.</summary>
public sealed class SingleWork : ReceiveActor
{
    private readonly object _work;
    private readonly IActorRef _worker;
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public SingleWork(string stage, object work, IActorRef worker)
    {
        _work = work;
        _worker = worker;
        Receive<ModelBuilt>(m => m.Stage == stage, m => Context.Parent.Tell(
            new StageDone(stage, new StageResult(m.File.Path, m.File.Sha256, _clock.Elapsed.TotalSeconds))));
        Receive<WorkFailed>(f => f.Stage == stage, f => Context.Parent.Tell(new StageFailed(stage, f.Cause)));
        Receive<StopExperiment>(_ =>
        {
            // The work takes seconds and leaves nothing half done: it is finished rather than stopped.
        });
    }

    protected override void PreStart() => _worker.Tell(_work);
}
