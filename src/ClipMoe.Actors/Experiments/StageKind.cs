namespace ClipMoe.Actors.Experiments;

/// <summary>
/// What stages of one kind are called and how they are shown. <c>StageFactory</c> has the actor of each kind,
/// <see cref="StageSpec"/> what a stage reads.
/// </summary>
/// <param name="Name">One word for what it does; it stands in events, in report.json and in the journal's JSON.</param>
/// <param name="Unit">What its progress counts; empty where it tells of none.</param>
public sealed record StageKind(string Name, string Unit)
{
    public static readonly StageKind Data = new("data", "samples");

    public static readonly StageKind Load = new("load", "");

    public static readonly StageKind Train = new("train", "steps")
    {
        TakesSteps = true,
        Again = new StageAgain("train", "Trains one model of a run again", "mcl-2"),
    };

    public static readonly StageKind Extract = new("extract", "shards")
    {
        Again = new StageAgain("embed", "Extracts the features of all training samples again", "extract-1"),
    };

    public static readonly StageKind Cluster = new("cluster", "iterations")
    {
        Converges = true,
        Again = new StageAgain("cluster", "Clusters features again", "cluster-1"),
    };

    public static readonly StageKind Assemble = new("assemble", "")
    {
        Again = new StageAgain("assemble", "Puts experts together again", "assemble"),
    };

    public static readonly StageKind Evaluate = new("evaluate", "models")
    {
        Again = new StageAgain("evaluate", "Measures the models of a run again", "evaluate"),
    };

    public static IReadOnlyList<StageKind> All { get; } = [Data, Load, Train, Extract, Cluster, Assemble, Evaluate];

    /// <summary>
    /// It does a number of like steps, which a worker counts before the first. Each has a loss, and the time that it takes tells how long
    /// the steps of other stages will.
    /// </summary>
    public bool TakesSteps { get; init; }

    /// <summary>It ends when its result stays as it is, perhaps long before its total, and may count from 0 again.</summary>
    public bool Converges { get; init; }

    /// <summary>The command that runs a stage of it again, alone; null where there is none.</summary>
    public StageAgain? Again { get; init; }

    /// <summary>By its name. A kind that this version does not know, but another node may, has nothing else.</summary>
    public static StageKind Named(string name) => All.FirstOrDefault(k => k.Name == name) ?? new StageKind(name, "");
}

/// <param name="What">The beginning of a sentence.</param>
/// <param name="Example">Name of a stage.</param>
public sealed record StageAgain(string Command, string What, string Example);
