using System.CommandLine;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Reports;
using ClipMoe.Model;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Dashboard.Live;
using ClipMoe.Nodes.Options;
using ClipMoe.Nodes.Runs;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe run</c>: the whole pipeline on this machine, or its continuation.</summary>
internal static class RunCommand
{
    private const string Examples = """

        Examples:
          clipmoe run                                         the embedded benchmark, in runs/demo
          clipmoe run --data photos/ --out runs/photos        your own pictures with captions beside them
          clipmoe run my.yaml --set mcl.steps=500 --workers 2
          clipmoe run my.yaml --out runs/mine --resume        resumes after Ctrl-C, a crash or a power cut
          clipmoe run --json --set logging.metrics=loss       events for programs, with the losses as their only metrics
          clipmoe run --seeds 3                               three seeds, and the paired gains over them
        """;

    public static Command Build()
    {
        var file = new Argument<FileInfo?>("EXPERIMENT")
        {
            Description = "Experiment in YAML; without it the embedded demo.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var output = new Option<string?>("--out")
        {
            Description = "Output folder: journal, checkpoints, report. Default: runs/NAME.",
            HelpName = "DIR"
        };
        var data = new Option<string?>("--data")
        {
            Description = "Captioned images: a folder, a ShareGPT4V JSON, webdataset tars, CSV or Parquet; short for --set data.path=PATH.",
            HelpName = "PATH",
        };
        var resources = new ResourceOptions();
        var resume = new Option<bool>("--resume") { Description = "Resumes the run in the output folder from its journal." };
        var json = new Option<bool>("--json") { Description = "Prints each event, with all metrics of a step, as one line of JSON." };
        var sets = SetOption.Create();
        var seeds = ResourceOptions.AtLeastOne(new Option<int?>("--seeds")
        {
            Description = "Runs this many seeds, from the experiment's on, each in a folder of its own, and reports the paired gains.",
            HelpName = "N",
        });

        var command = new Command("run", "Runs the whole pipeline on this machine, from a base CLIP to a CLIP-MoE and its report."
            + Examples)
        {
            file, output, data, sets, seeds, resume, json,
        };
        resources.AddTo(command);
        command.SetAction(async result =>
        {
            var overrides = (result.GetValue(sets) ?? []).ToList();
            if (result.GetValue(data) is { } path) overrides.Add($"data.path={path}");
            var experiment = ExperimentFile.Load(result.GetValue(file)?.FullName, overrides);
            var folder = new RunFolder(Path.GetFullPath(result.GetValue(output) ?? Path.Combine("runs", experiment.Name)));
            using var view = RunView.Create(result.GetValue(json));
            return result.GetValue(seeds) is { } count
                ? await RunSeeds(experiment, count, folder, resources.Read(result), result.GetValue(resume), view)
                : await LocalRun.Run(experiment, folder, resources.Read(result), result.GetValue(resume), view);
        });
        return command;
    }

    private static async Task<int> RunSeeds(Experiment experiment, int count, RunFolder folder, ResourceWishes wishes, bool resume,
        RunView view)
    {
        if (File.Exists(folder.Journal))
            throw new UserErrorException($"{folder.Root} holds a single run, whose report several seeds would replace: choose another " +
                $"--out.");
        var runs = Enumerable.Range(0, count).Select(i => experiment with { Seed = experiment.Seed + (ulong)i })
            .Select(e => (Experiment: e, Folder: new RunFolder(Path.Combine(folder.Root, $"seed-{e.Seed}")))).ToList();
        foreach (var run in runs)
        {
            var exitCode = await LocalRun.Run(run.Experiment, run.Folder, wishes, resume, view);
            if (exitCode != ExitCodes.Success) return exitCode;
        }
        var combined = SeedReport.Combine([.. runs.Select(r => (Path.GetFileName(r.Folder.Root), ReportJson.Load(r.Folder.ReportJson)))],
            experiment);
        ReportWriter.Save(folder, combined);
        view.Show(new RunEnded(combined.WeightsSha256, combined.Checkpoint, folder.ReportHtml));
        return ExitCodes.Success;
    }
}
