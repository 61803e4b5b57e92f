namespace ClipMoe.Actors.Training;

/// <summary>A piece of work of a device that a stage waits for.</summary>
/// <param name="Attempt">Tells it from what the device was to do before.</param>
/// <param name="What">As in "its device hangs while …".</param>
internal sealed record AwaitedWork(int Worker, int Attempt, string What);

/// <summary>
/// Finds devices that hang outside of steps: those still at the same work after many looks. It counts looks and knows no clock, so that it
/// is tested without waiting. Pure.
/// </summary>
internal sealed class DeviceWatch
{
    /// <summary>How far apart the looks are.</summary>
    public static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    /// <summary>As long together as a first step may take: a replica is built from files that others may have to send first.</summary>
    public const int MostLooks = 10;

    private Dictionary<AwaitedWork, int> _looks = [];

    /// <param name="awaited">All that the stage waits for now.</param>
    /// <returns>What it has waited for at more looks than anything may take.</returns>
    public IReadOnlyList<AwaitedWork> Look(IReadOnlyCollection<AwaitedWork> awaited)
    {
        _looks = awaited.ToDictionary(work => work, work => _looks.GetValueOrDefault(work) + 1);
        return [.. _looks.Where(l => l.Value > MostLooks).Select(l => l.Key)];
    }
}
