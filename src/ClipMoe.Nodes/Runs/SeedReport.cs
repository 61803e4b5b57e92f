using ClipMoe.Actors.Coordination;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;

namespace ClipMoe.Nodes.Runs;

/// <summary>One report over several seeds: comparisons are paired over the seeds, everything else is the first seed's.</summary>
internal static class SeedReport
{
    /// <param name="runs">Folder (beside the combined report) and report of each seed.</param>
    public static RunReport Combine(IReadOnlyList<(string Folder, RunReport Report)> runs, Experiment experiment)
    {
        var (folder, first) = runs[0];
        var steps = first.Comparison?.Methods.Where(m => m.Steps is not null).ToDictionary(m => m.Method, m => m.Steps!.Value) ?? [];
        var combined = first with
        {
            Checkpoint = $"{folder}/{first.Checkpoint}",
            Seconds = runs.Sum(r => r.Report.Seconds),
            Comparison = MethodComparison.Create(
                [.. runs.Select(r => (r.Report.Experiment.Seed, r.Report.Evaluations))], RunReportBuilder.Methods(experiment), steps),
            SeedRuns = [.. runs.Select(r => new SeedRun(
                r.Report.Experiment.Seed, r.Report.Experiment.Hash, r.Report.WeightsSha256, $"{r.Folder}/report.html"))],
        };
        return combined with { Notes = ReportNotes.Create(combined) };
    }
}
