namespace ClipMoe.Actors.Transport;

/// <summary>Where the workers of one generation meet in one process: each brings an item and gets all items, in rank order.</summary>
/// <remarks>Waiting spins briefly before it blocks: a step of a small model meets four times within milliseconds.</remarks>
internal sealed class Barrier<T>(int world, CancellationToken aborted)
{
    private sealed class Round(int world)
    {
        public readonly T[] Items = new T[world];
        public readonly ManualResetEventSlim Complete = new(false, spinCount: 200);
        public int Arrived;
    }

    private readonly Lock _gate = new();
    private Round _round = new(world);

    /// <exception cref="OperationCanceledException">The generation was aborted while waiting.</exception>
    public T[] SignalAndWait(int rank, T item)
    {
        Round round;
        lock (_gate)
        {
            round = _round;
            round.Items[rank] = item;
            if (++round.Arrived == world)
            {
                _round = new Round(world);
                round.Complete.Set();
            }
        }
        round.Complete.Wait(aborted);
        return round.Items;
    }
}
