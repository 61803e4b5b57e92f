namespace ClipMoe.Actors.Workers;

/// <summary>Whether a worker is given work.</summary>
internal enum Duty
{
    /// <summary>It is not.</summary>
    Reserve,

    Working,

    /// <summary>It was, and ends what it is doing.</summary>
    Leaving,
}

/// <param name="Available">It can be reached and is not drained.</param>
internal readonly record struct Candidate(int Number, bool Available, Duty Duty);

/// <summary>Which workers are given work, where no more than a certain number is to be. Pure.</summary>
internal static class WorkerChoice
{
    /// <summary>Active workers stay active as far as there is room; free places go to the workers that registered first.</summary>
    /// <param name="max">Null: all.</param>
    /// <returns>Numbers of those to take in, and of those to release.</returns>
    public static (IReadOnlyList<int> Taken, IReadOnlyList<int> Released) Choose(IEnumerable<Candidate> workers, int? max)
    {
        var places = max ?? int.MaxValue;
        var byNumber = workers.OrderBy(w => w.Number).ToList();
        var working = byNumber.Where(w => w.Duty == Duty.Working).ToList();
        var staying = working.Where(w => w.Available).Take(places).ToList();
        var taken = byNumber.Where(w => w is { Available: true, Duty: Duty.Reserve }).Take(places - staying.Count);
        return ([.. taken.Select(w => w.Number)], [.. working.Except(staying).Select(w => w.Number)]);
    }
}
