namespace ClipMoe.Actors.Stages;

/// <summary>
/// Pieces of work of which each worker has at most one at a time. Workers pull, so fast ones do more; what a lost worker had is given out
/// again first.
/// </summary>
internal sealed class Leases<T>(IEnumerable<T> work)
    where T : notnull
{
    private readonly LinkedList<T> _open = new(work);
    private readonly Dictionary<int, T> _held = [];

    /// <summary>Nothing is open and nothing is held.</summary>
    public bool AllDone => _open.Count == 0 && _held.Count == 0;

    public bool NoneHeld => _held.Count == 0;

    /// <summary>The next piece for a worker that holds none.</summary>
    public bool TryTake(int worker, out T work)
    {
        work = default!;
        if (_held.ContainsKey(worker) || _open.First is not { } first) return false;
        work = first.Value;
        _open.RemoveFirst();
        _held.Add(worker, work);
        return true;
    }

    /// <summary>What was done was lost, and is to be done again.</summary>
    public void DoAgain(T work) => _open.AddFirst(work);

    /// <summary>A worker did what it held. False: it does not hold this (any more), so its result is not counted twice.</summary>
    public bool Done(int worker, T work)
    {
        if (!_held.TryGetValue(worker, out var held) || !held.Equals(work)) return false;
        _held.Remove(worker);
        return true;
    }

    /// <summary>A worker is lost.</summary>
    public void Return(int worker)
    {
        if (_held.Remove(worker, out var work)) _open.AddFirst(work);
    }
}
