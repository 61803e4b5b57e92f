using FsCheck;
using FsCheck.Fluent;
using static ClipMoe.Actors.Tests.Training.Histories.Happening;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>What happens next to a training stage.</summary>
public enum Happening
{
    /// <summary>All messages that are under way arrive and all devices work, a few times.</summary>
    Run,

    /// <summary>One message arrives; which of those under way comes first is open.</summary>
    Deliver,

    /// <summary>One device does one piece of work.</summary>
    Compute,

    Join,

    Die,

    /// <summary>The coordinator is told of one that died.</summary>
    Notice,

    /// <summary>Time passes, more than anything may take to answer.</summary>
    Wait,

    /// <summary>A step takes longer than it may.</summary>
    Overdue,

    /// <summary>A worker's message arrives again, or late.</summary>
    Repeat,

    /// <summary>A device stands still, or continues.</summary>
    Hang,

    /// <summary>A worker is to be let go.</summary>
    Release,

    /// <summary>Training is to pause, or to continue.</summary>
    Pause,

    /// <summary>Another coordinator takes over from the journal.</summary>
    TakeOver,

    /// <summary>The next copy of a replica fails.</summary>
    FailCopy,

    /// <summary>A device errs in its next update.</summary>
    Err,

    /// <summary>Time passes, more than a device may be at one piece of work.</summary>
    WaitLong,
}

/// <param name="Which">Of the workers, messages or times that there are, counted around.</param>
public sealed record Operation(Happening What, int Which)
{
    public override string ToString() => $"{What} {Which}";
}

/// <summary>A training stage, and what happens to it until it is left alone.</summary>
/// <param name="Workers">At its beginning.</param>
public sealed record History(int Workers, int Leaves, int Steps, int CheckpointEvery, IReadOnlyList<Operation> Operations)
{
    private const int MostOperations = 60;

    public override string ToString() =>
        $"{Workers} workers, {Leaves} leaves, {Steps} steps, a checkpoint every {CheckpointEvery}: {string.Join(", ", Operations)}";

    /// <param name="happenings">With how often each comes.</param>
    public static Gen<History> Of(params (int Weight, Happening What)[] happenings) =>
        from workers in Gen.Choose(1, 4)
        from leaves in Gen.Choose(1, 6)
        from steps in Gen.Choose(1, 8)
        from every in Gen.Choose(1, 4)
        from length in Gen.Choose(0, MostOperations)
        from operations in Of(Gen.Frequency([.. happenings.Select(h => (h.Weight, Gen.Constant(h.What)))])).ArrayOf(length)
        select new History(workers, leaves, steps, every, operations);

    private static Gen<Operation> Of(Gen<Happening> happenings) =>
        from what in happenings
        from which in Gen.Choose(0, 7)
        select new Operation(what, which);

    /// <summary>Halves, quarters and so on left out, then single operations, then smaller numbers.</summary>
    public static IEnumerable<History> Smaller(History h)
    {
        for (var length = h.Operations.Count; length > 0; length /= 2)
            for (var at = 0; at + length <= h.Operations.Count; at += length)
                yield return h with { Operations = [.. h.Operations.Take(at), .. h.Operations.Skip(at + length)] };
        if (h.Workers > 1) yield return h with { Workers = h.Workers - 1 };
        if (h.Steps > 1) yield return h with { Steps = h.Steps - 1 };
        if (h.Leaves > 1) yield return h with { Leaves = h.Leaves - 1 };
        for (var at = 0; at < h.Operations.Count; at++)
            if (h.Operations[at].Which > 0)
                yield return h with { Operations = [.. h.Operations.Select((o, i) => i == at ? o with { Which = o.Which - 1 } : o)] };
    }
}

/// <summary>Everything that may happen, but that devices err.</summary>
public static class Histories
{
    public static Arbitrary<History> Any() => Arb.From(
        History.Of(
            (30, Run), (20, Deliver), (20, Happening.Compute), (8, Join), (7, Die), (8, Notice), (4, Wait), (2, WaitLong), (3, Overdue),
            (10, Repeat), (4, Hang), (3, Release), (4, Pause), (2, TakeOver), (3, FailCopy)),
        History.Smaller);
}

/// <summary>Devices err while all that they share is sound.</summary>
public static class ErringHistories
{
    public static Arbitrary<History> Any() => Arb.From(
        History.Of((30, Run), (20, Deliver), (20, Happening.Compute), (8, Join), (10, Repeat), (8, Err)), History.Smaller);
}
