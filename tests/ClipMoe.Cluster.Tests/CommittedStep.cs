using System.Text.Json;

namespace ClipMoe.Cluster.Tests;

/// <summary>A training step as watchers of a run see it.</summary>
/// <param name="Step">How many steps of the stage are committed with it.</param>
internal sealed record CommittedStep(string Stage, int Generation, int Step, int Workers)
{
    /// <returns>Null for another event.</returns>
    public static CommittedStep? Of(JsonElement e)
    {
        if (e.GetProperty("event").GetString() != "stage_progress" || e.GetProperty("generation").ValueKind == JsonValueKind.Null)
            return null;
        return new CommittedStep(e.GetProperty("stage").GetString()!, Number("generation"), Number("done"), Number("workers"));

        int Number(string key) => e.GetProperty(key).GetInt32();
    }

    /// <summary>The generations of a training session begin at a multiple of this; the next coordinator has another session.</summary>
    private const int GenerationsPerSession = 20_000;

    /// <summary>
    /// How often workers of a stage worked in vain: in generations that committed nothing, at steps that were committed again.
    /// </summary>
    /// <returns>That, within sessions; and how often another session went on from a checkpoint.</returns>
    public static (int InVain, int Resumed) Repetitions(IEnumerable<CommittedStep> commits, string stage)
    {
        var sessions = commits.Where(c => c.Stage == stage).GroupBy(c => c.Generation / GenerationsPerSession).ToList();
        return (sessions.Sum(s => InVain([.. s])), sessions.Count - 1);
    }

    private static int InVain(IReadOnlyList<CommittedStep> steps)
    {
        var generations = steps.Select(s => s.Generation).Distinct().ToList();
        return generations.Max() - generations.Min() + 1 - generations.Count + steps.Count - steps.Select(s => s.Step).Distinct().Count();
    }
}
