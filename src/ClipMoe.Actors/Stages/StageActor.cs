using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Stages;

/// <summary>What all stages have in common: the workers that they use come and go, and may fail at a piece of work.</summary>
public abstract class StageActor : ReceiveActor
{
    private readonly SortedDictionary<int, Worker> _workers = [];

    protected StageActor(string stage, IEnumerable<Worker> workers)
    {
        Stage = stage;
        foreach (var worker in workers) _workers.Add(worker.Number, worker);
        Receive<WorkerArrived>(m =>
        {
            _workers[m.Worker.Number] = m.Worker;
            OnArrived(m.Worker);
        });
        Receive<WorkerGone>(m => Remove(m.Number));
        Receive<ReleaseWorker>(m => Release(m.Worker));
        Receive<WorkFailed>(f => f.Stage == stage, Failed);
        Receive<WorkAborted>(_ => { });
    }

    protected string Stage { get; }

    /// <summary>By number, ascending.</summary>
    protected IReadOnlyDictionary<int, Worker> Workers => _workers;

    protected abstract void OnArrived(Worker worker);

    /// <summary>Whatever the worker was to do for the stage will not come; it is no longer among <see cref="Workers"/>.</summary>
    protected abstract void OnGone(Worker worker);

    /// <summary>A worker is to be given nothing more. What it is doing is done again by another, unless a stage knows better.</summary>
    protected virtual void Release(int worker)
    {
        if (_workers.TryGetValue(worker, out var released)) released.Actor.Tell(new LeaveStage(Stage));
        Remove(worker);
        Context.Parent.Tell(new WorkerReleased(worker));
    }

    /// <summary>A worker is no longer among <see cref="Workers"/>, and the stage knows.</summary>
    protected void Forget(int worker) => _workers.Remove(worker);

    protected void Publish(RunEvent e) => Context.System.EventStream.Publish(e);

    protected void Fail(Exception cause) => Context.Parent.Tell(new StageFailed(Stage, cause));

    /// <summary>
    /// Wrong input is wrong on every worker, and a file that one finds nowhere no other finds. With another failure the stage continues
    /// without the worker, as long as there are others.
    /// </summary>
    private void Failed(WorkFailed failed)
    {
        var isMember = _workers.TryGetValue(failed.Worker, out var worker);
        if (failed.Failure.Kind is FailureKind.WrongInput or FailureKind.LostFile || isMember && _workers.Count == 1)
        {
            Fail(failed.Failure.ToException());
            return;
        }
        // A worker that the stage continues without may fail at more of what it was given.
        if (!isMember) return;
        Publish(new RunWarning($"worker {worker!.Info.Name} failed in {Stage}, which continues without it: {failed.Failure.Message}"));
        worker.Actor.Tell(new LeaveStage(Stage, "it failed in it"));
        Remove(failed.Worker);
    }

    private void Remove(int worker)
    {
        if (_workers.Remove(worker, out var gone)) OnGone(gone);
    }
}
