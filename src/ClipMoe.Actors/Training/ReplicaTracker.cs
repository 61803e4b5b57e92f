using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Training;

/// <summary>
/// Which workers of a training stage build their replicas, where the existing ones stand, and which workers have yet to answer after a
/// generation broke. It decides nothing and sends nothing.
/// </summary>
internal sealed class ReplicaTracker
{
    /// <summary>A worker that was dropped this often in a stage is not asked again.</summary>
    public const int MostDrops = 5;

    private readonly HashSet<int> _answering = [], _alive = [];
    private readonly Dictionary<int, int> _joining = [];
    private readonly Dictionary<int, ReplicaPosition> _positions = [];
    private readonly Dictionary<int, int> _drops = [];
    private int _invitations;

    /// <summary>Workers with a replica.</summary>
    public IReadOnlyDictionary<int, ReplicaPosition> Positions => _positions;

    public bool SomeJoin => _joining.Count > 0;

    public bool SomeAreToAnswer => _answering.Count > 0;

    /// <summary>The replicas being built that workers with a replica wait for.</summary>
    public IEnumerable<AwaitedWork> Awaited => _positions.Count == 0 ? []
        : _joining.Select(j => new AwaitedWork(j.Key, j.Value, "building its replica"));

    public bool Has(int worker) => _positions.ContainsKey(worker);

    public bool IsToAnswer(int worker) => _answering.Contains(worker);

    /// <summary>Whether it was dropped so often that it is not asked again.</summary>
    public bool IsExhausted(int worker) => _drops.GetValueOrDefault(worker) >= MostDrops;

    /// <returns>False: it is not to be asked again.</returns>
    public bool Invite(int worker)
    {
        if (IsExhausted(worker)) return false;
        _joining[worker] = ++_invitations;
        return true;
    }

    /// <returns>False: it is no longer expected.</returns>
    public bool Join(int worker, ReplicaPosition position)
    {
        if (!_joining.Remove(worker)) return false;
        _positions[worker] = position;
        return true;
    }

    /// <summary>New positions of those of the workers that have a replica.</summary>
    public void Move(IEnumerable<int> workers, Func<int, ReplicaPosition> position)
    {
        foreach (var worker in workers.Where(Has).ToList()) _positions[worker] = position(worker);
    }

    /// <summary>The members of a generation that broke are to say where they stand.</summary>
    public void Ask(IEnumerable<int> members)
    {
        _alive.Clear();
        _answering.Clear();
        _answering.UnionWith(members);
    }

    public void Lives(int worker) => _alive.Add(worker);

    /// <returns>False: it was not asked, or answered too late.</returns>
    public bool Answer(int worker, ReplicaPosition position)
    {
        if (!_answering.Remove(worker)) return false;
        _positions[worker] = position;
        return true;
    }

    /// <summary>Workers that are to answer and have shown no sign of life since the last call.</summary>
    public IReadOnlyList<int> TakeSilent()
    {
        var silent = _answering.Where(w => !_alive.Contains(w)).ToList();
        _alive.Clear();
        return silent;
    }

    /// <summary>A worker is dropped; it may rejoin a few times.</summary>
    public void Drop(int worker)
    {
        Remove(worker);
        _drops[worker] = _drops.GetValueOrDefault(worker) + 1;
    }

    public void Remove(int worker)
    {
        _joining.Remove(worker);
        _positions.Remove(worker);
        _answering.Remove(worker);
    }

    /// <summary>No replica is of use any more, nor is one that is being built: all workers are to be invited again.</summary>
    public void Forget()
    {
        _joining.Clear();
        _positions.Clear();
        _answering.Clear();
    }
}
