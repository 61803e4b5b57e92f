using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Data;

/// <summary>The stage that makes or opens the data set; the reading itself is <see cref="Workspace.Prepare"/>.</summary>
public sealed class DataPreparation : ReceiveActor
{
    private readonly string _stage;
    private readonly Workspace _workspace;
    private readonly CancellationTokenSource _cancel = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public DataPreparation(string stage, Workspace workspace)
    {
        _stage = stage;
        _workspace = workspace;
        Receive<DataPrepared>(d => Context.Parent.Tell(new JournalFact(d)));
        Receive<FactJournaled>(_ => Context.Parent.Tell(new StageDone(stage, new StageResult(null, null, _clock.Elapsed.TotalSeconds))));
        Receive<Status.Failure>(f => Context.Parent.Tell(
            f.Cause is OperationCanceledException ? new StageStopped(stage) : new StageFailed(stage, f.Cause)));
        Receive<StopExperiment>(_ => _cancel.Cancel());
    }

    protected override void PreStart()
    {
        var events = Context.System.EventStream;
        Task.Run(() => _workspace.Prepare(Progress, _cancel.Token)).PipeTo(Self);

        // A hundred events tell as much as one for each of a million samples.
        void Progress(int done, int total)
        {
            if (done == total || done % Math.Max(1, total / 100) == 0)
                events.Publish(new StageProgress(_stage, done, total, null, null, null, 1));
        }
    }

    protected override void PostStop() => _cancel.Dispose();
}
