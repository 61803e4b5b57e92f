using ClipMoe.Model.Numerics;

namespace ClipMoe.Nodes.Chaos;

/// <summary>What is done to a cluster.</summary>
internal enum ChaosFault
{
    /// <summary>kill -9 of a worker, which its node starts again.</summary>
    KillWorker,

    /// <summary>SIGSTOP of a worker, and SIGCONT after a while.</summary>
    StopWorker,

    /// <summary>The stream between two workers breaks.</summary>
    CloseStream,

    /// <summary>A bit flips between two workers.</summary>
    FlipFrame,

    /// <summary>A bit flips in a worker's weights.</summary>
    FlipWeight,

    /// <summary>The experiment is paused, and resumed after a while.</summary>
    Pause,

    /// <summary>A worker is given no work for a while.</summary>
    DrainWorker,

    /// <summary>kill -9 of a node that does not run the experiment, which is started again after a while.</summary>
    KillNode,

    /// <summary>SIGTERM to such a node, which is started again when it has left.</summary>
    RestartNode,

    /// <summary>A node more, which leaves again after a while.</summary>
    AddNode,

    /// <summary>kill -9 of the node that runs the experiment, which is started again after a while.</summary>
    KillCoordinator,

    /// <summary>SIGTERM to the node that runs the experiment, which is started again when it has left.</summary>
    RestartCoordinator,
}

/// <param name="Wait">After the fault before it.</param>
/// <param name="Length">How long what is done lasts, where it does.</param>
/// <param name="Choice">Which target it hits.</param>
internal sealed record PlannedFault(ChaosFault Kind, TimeSpan Wait, TimeSpan Length, int Choice)
{
    /// <param name="targets">At least one, in an order that does not depend on chance.</param>
    public T Among<T>(IReadOnlyList<T> targets) => targets[Choice % targets.Count];
}

/// <summary>
/// The faults of a soak, a pure function of its seed. They come in decks, each of which holds every kind, in an order of its own: a few
/// minutes then have all of them, and those that cost most progress are as rare as they should be.
/// </summary>
internal static class FaultSchedule
{
    /// <summary>How often each kind is in a deck, and the shortest and the longest that it lasts, in seconds.</summary>
    private static readonly (ChaosFault Kind, int Count, double Shortest, double Longest)[] Deck =
    [
        (ChaosFault.KillWorker, 8, 0, 0),
        (ChaosFault.StopWorker, 6, 0.2, 6),
        (ChaosFault.CloseStream, 6, 0, 0),
        (ChaosFault.FlipFrame, 4, 0, 0),
        (ChaosFault.FlipWeight, 2, 0, 0),
        (ChaosFault.Pause, 2, 0.5, 2),
        (ChaosFault.DrainWorker, 2, 1, 5),
        (ChaosFault.KillNode, 2, 0.5, 4),
        (ChaosFault.RestartNode, 1, 0.1, 2),
        (ChaosFault.AddNode, 1, 10, 20),
        (ChaosFault.KillCoordinator, 1, 0.5, 2),
        (ChaosFault.RestartCoordinator, 1, 0.1, 2),
    ];

    private const double ShortestWait = 0.3, LongestWait = 2.7;

    public static IEnumerable<PlannedFault> FromSeed(ulong seed)
    {
        var soak = RandomKey.FromSeed(seed);
        for (var deck = 0; ; deck++)
        {
            var key = soak.Derive(deck);
            var cards = Deck.SelectMany(kind => Enumerable.Repeat(kind, kind.Count)).Select((kind, n) => (Kind: kind, Key: key.Derive(n)));
            foreach (var (kind, card) in cards.OrderBy(c => c.Key.Bits(0)))
            {
                // Cubed: mostly short, now and then long.
                var length = kind.Shortest + (kind.Longest - kind.Shortest) * Math.Pow(card.Unit(1), 3);
                var wait = ShortestWait + (LongestWait - ShortestWait) * card.Unit(2);
                yield return new PlannedFault(kind.Kind, TimeSpan.FromSeconds(wait), TimeSpan.FromSeconds(length),
                    card.Below(3, int.MaxValue));
            }
        }
    }
}
