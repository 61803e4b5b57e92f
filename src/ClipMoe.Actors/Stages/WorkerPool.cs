using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Stages;

/// <summary>
/// Which workers there are, and which of them have opened the experiment (with its data, once that is known) and so can be given work.
/// Pure.
/// </summary>
internal sealed class WorkerPool
{
    private readonly SortedDictionary<int, Worker> _known = [];
    private readonly SortedDictionary<int, Worker> _ready = [];
    private readonly HashSet<int> _opening = [];

    public IReadOnlyCollection<Worker> Known => _known.Values;

    /// <summary>By number, ascending.</summary>
    public IReadOnlyList<Worker> Ready => [.. _ready.Values];

    /// <summary>At least one is ready, and no other is about to be: a stage can begin with all that there are.</summary>
    public bool Settled => _opening.Count == 0 && _ready.Count > 0;

    /// <summary>None is ready, and none is about to be.</summary>
    public bool IsEmpty => _opening.Count == 0 && _ready.Count == 0;

    /// <summary>A worker is opening the experiment.</summary>
    public void Open(Worker worker)
    {
        _known[worker.Number] = worker;
        _ready.Remove(worker.Number);
        _opening.Add(worker.Number);
    }

    /// <returns>The worker; null when it is not known any more, or was asked for something else meanwhile.</returns>
    public Worker? Opened(int number)
    {
        if (!_opening.Remove(number)) return null;
        return _ready[number] = _known[number];
    }

    /// <summary>It can't work for this experiment.</summary>
    public Worker? Refused(int number) => _opening.Remove(number) ? _known[number] : null;

    public bool Remove(int number)
    {
        _opening.Remove(number);
        _ready.Remove(number);
        return _known.Remove(number);
    }
}
