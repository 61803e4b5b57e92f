namespace ClipMoe.Actors.Scheduling;

/// <summary>What can be said of a cluster's number of coordinators, of which the greater part must live. Pure.</summary>
public static class CoordinatorQuorum
{
    /// <returns>One sentence; null when the number is good.</returns>
    public static string? Warning(int coordinators) => coordinators == 2
        ? "with two coordinators, losing the older one stops the other too: run one or three."
        : null;
}
