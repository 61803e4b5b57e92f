using System.CommandLine;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Chaos;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench recovery</c>: what the loss of a process costs a cluster that trains.</summary>
internal static class RecoveryBench
{
    public static Command Build()
    {
        var nodes = BenchOptions.AtLeast("--nodes", 2, 4, "Nodes with a worker each.");
        var kills = BenchOptions.AtLeast("--kills", 1, 5, "Workers that are killed one after another.");
        var minutes = BenchOptions.AtLeast("--minutes", 1, 2,
            "Duration of each of the two measurements of steps, undisturbed and with a kill a minute.");
        var journal = new Option<string>("--journal")
        {
            Description = "sqlite: the first node is the coordinator; a PostgreSQL connection string: every node is one.",
            DefaultValueFactory = _ => ClusterPlan.Sqlite,
            HelpName = "sqlite|\"Host=…\"",
        };
        var sets = SetOption.Create();
        var json = BenchOptions.Json();
        var command = new Command(
            "recovery",
            """
            Starts a cluster on this machine, kills its workers with kill -9 while it trains, and at last the node that runs the
            experiment, and measures
            the time to the next committed step. The experiment is the preset tiny, which is not run to its end.
            Example: clipmoe bench recovery --nodes 4 --kills 5 --minutes 2 --json
            """)
        { nodes, kills, minutes, journal, sets, json };
        command.SetAction(async (parsed, stop) =>
        {
            var experiment = ExperimentFile.Load(null, ["preset=tiny", "base.steps=100000000", .. parsed.GetValue(sets) ?? []]);
            var folder = Directory.CreateTempSubdirectory("clipmoe-bench-").FullName;
            var cluster = new ClusterPlan(parsed.GetValue(nodes), "cpu", parsed.GetValue(journal)!, folder);
            var drill = new DrillSettings(
                experiment, ExperimentHash.Compute(experiment, InputFiles.Hashes(experiment)), cluster, parsed.GetValue(kills),
                parsed.GetValue(minutes));
            var figures = await new RecoveryDrill(drill, Console.Error.WriteLine).Run(stop);
            Directory.Delete(folder, recursive: true);
            BenchOptions.Print(figures, parsed.GetValue(json), Describe);
            return ExitCodes.Success;
        });
        return command;
    }

    private static string Describe(DrillResult f) => string.Join(Environment.NewLine,
        $"kill -9 of a worker     next step after {Times(f.WorkerKilled)}; in its place again after {Times(f.WorkerBack)}",
        $"a worker that joins     holds the others up for {f.HeldUp.Median:F1} median steps (longest {f.HeldUp.Max:F1} of " +
        $"{f.HeldUp.Measured})",
        $"of the coordinator      next step after {f.CoordinatorKilled:F1} s",
        $"a kill a minute         {100 * f.ShareLost:F1} % of the steps are lost ({f.UndisturbedSteps:F1} a second undisturbed, " +
        $"{f.DisturbedSteps:F1} disturbed)");

    private static string Times(RecoveryTimes t) => $"{t.Median:F2} s (longest {t.Max:F2} s of {t.Measured})";
}
