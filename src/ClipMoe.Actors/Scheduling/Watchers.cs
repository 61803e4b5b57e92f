using Akka.Actor;

namespace ClipMoe.Actors.Scheduling;

/// <summary>Which clients watch which experiment.</summary>
internal sealed class Watchers
{
    private readonly Dictionary<IActorRef, string> _watched = [];

    /// <returns>False when it follows that experiment already.</returns>
    public bool Add(IActorRef watcher, string experiment)
    {
        if (_watched.GetValueOrDefault(watcher) == experiment) return false;
        _watched[watcher] = experiment;
        return true;
    }

    public void Remove(IActorRef watcher) => _watched.Remove(watcher);

    /// <summary>Sends a message to all watchers of the experiment.</summary>
    public void Tell(string experiment, object message)
    {
        foreach (var (watcher, watched) in _watched)
            if (watched == experiment) watcher.Tell(message);
    }
}
