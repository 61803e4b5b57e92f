namespace ClipMoe.Actors.Experiments;

/// <summary>
/// Under which names journals hold whose events. An experiment of a cluster has the identity that it was given when it was submitted.
/// </summary>
public static class PersistenceIds
{
    /// <summary>Of the scheduler of a cluster. Identities of experiments end in a number, so none is the same.</summary>
    public const string Scheduler = "experiments";

    /// <summary>Of the only experiment of an output folder that one process runs.</summary>
    public const string LocalRun = "experiment";
}
