using ClipMoe.Actors.Protocol;
using Xunit.Sdk;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>Plays a history in a world of its own, then lets the stage end.</summary>
internal sealed class HistoryPlayer
{
    private const int MostWorkers = 6;

    private readonly TrainingWorld _world;

    private HistoryPlayer(TrainingWorld world) => _world = world;

    /// <exception cref="XunitException">Something happened that must never happen; it tells all that happened before.</exception>
    public static void Play(OneThread actors, History history)
    {
        var world = new TrainingWorld(actors, history);
        try
        {
            new HistoryPlayer(world).Play();
        }
        catch (Exception e)
        {
            world.Check(false, $"{e}");
        }
        world.Close();
        if (world.Violation is { } violation) throw new XunitException($"{violation}\n{string.Join("\n", world.Log)}");
    }

    private void Play()
    {
        foreach (var operation in _world.History.Operations.TakeWhile(_ => !_world.Done))
        {
            _world.Log.Add(operation);
            Do(operation.What, operation.Which);
        }
        if (!_world.Done) Settle();
        _world.CheckLedger();
    }

    private void Do(Happening what, int which)
    {
        switch (what)
        {
            case Happening.Run:
                for (var i = 0; i <= which; i++) _world.Sweep();
                break;
            case Happening.Deliver:
                _world.DeliverOne(which);
                break;
            case Happening.Compute:
                Pick(_world.Living.Where(w => w.CanWork), which)?.DoWork();
                break;
            case Happening.Join when _world.Living.Count < MostWorkers:
                _world.Arrive();
                break;
            case Happening.Die:
                Pick(_world.Living, which)?.Die();
                break;
            case Happening.Notice when Pick(_world.Known.Where(w => !w.Lives), which) is { } dead:
                _world.Notice(dead);
                break;
            case Happening.Wait:
                _world.Pass(TrainingWorld.Long);
                break;
            case Happening.WaitLong:
                _world.PassLooks();
                break;
            case Happening.Overdue:
                _world.Overdue();
                break;
            case Happening.Repeat:
                _world.Repeat(which);
                break;
            case Happening.Hang when Pick(_world.Living, which) is { } hanging:
                hanging.Hangs = !hanging.Hangs;
                break;
            case Happening.Release when Pick(_world.Known.Where(w => w.Lives), which) is { } released:
                _world.Tell(new ReleaseWorker(released.Number));
                break;
            case Happening.Pause:
                _world.Pause(!_world.Paused);
                break;
            case Happening.TakeOver:
                _world.TakeOver();
                break;
            case Happening.FailCopy when Pick(_world.Living, which) is { } failing:
                failing.FailsToCopy = true;
                break;
            case Happening.Err when Pick(_world.Living, which) is { } erring:
                erring.Errs = true;
                break;
        }
    }

    /// <summary>Nothing more goes wrong, and a worker with a sound device is there: all that is needed to end the stage.</summary>
    private void Settle()
    {
        _world.Log.Add("settle");
        foreach (var worker in _world.Living) worker.FailsToCopy = false;
        foreach (var dead in _world.Known.Where(w => !w.Lives).ToList()) _world.Notice(dead);
        if (_world.Paused) _world.Pause(false);
        var most = 50 + 20 * _world.History.Steps;
        for (var i = 0; i < most && !_world.Done; i++)
        {
            if (_world.Sweep()) continue;
            _world.Overdue();
            // One that was left behind that often is not asked again.
            if (_world.Known.Any(w => !w.Hangs && w.TimesLeft < 5)) _world.PassLooks();
            else _world.Arrive();
        }
        _world.Check(_world.Done, $"all is well, and after {most} rounds the stage has not ended");
    }

    private static ModelWorker? Pick(IEnumerable<ModelWorker> from, int which)
    {
        var workers = from.ToList();
        return workers.Count == 0 ? null : workers[which % workers.Count];
    }
}
