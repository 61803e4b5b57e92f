using System.CommandLine;
using System.Runtime.InteropServices;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model;
using ClipMoe.Model.Files;
using ClipMoe.Nodes.Dashboard;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe run</c>: the whole pipeline on this machine, or its continuation.</summary>
internal static class RunCommand
{
    private const string Examples = """


        Examples:
          clipmoe run                                         the embedded benchmark, in runs/demo
          clipmoe run --data photos/ --out runs/photos        your own pictures with captions beside them
          clipmoe run my.yaml --set mcl.steps=500 --workers 2
          clipmoe run my.yaml --out runs/mine --resume        goes on after Ctrl-C, a crash or a power cut
        """;

    public static Command Build()
    {
        var file = new Argument<FileInfo?>("EXPERIMENT")
        {
            Description = "Experiment in YAML; without it the embedded demo.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var output = new Option<string?>("--out") { Description = "Output folder: journal, checkpoints, report. Default: runs/NAME.", HelpName = "DIR" };
        var data = new Option<string?>("--data")
        {
            Description = "Captioned images: a folder, a ShareGPT4V JSON, webdataset tars, CSV or Parquet; short for --set data.path=PATH.",
            HelpName = "PATH",
        };
        var workers = new Option<int?>("--workers")
        {
            Description = "Workers in this process. The weights do not depend on it. Default: one per core for a small model on a CPU, else one.",
            HelpName = "N",
        };
        var threads = new Option<int?>("--threads")
        {
            Description = "Compute threads of each worker. Default: OMP_NUM_THREADS, else the cores shared out.",
            HelpName = "N",
        };
        var device = new Option<string>("--device") { Description = "cpu, cuda:N or auto.", DefaultValueFactory = _ => "auto", HelpName = "NAME" };
        var resume = new Option<bool>("--resume") { Description = "Goes on with the run in the output folder where its journal stands." };
        var json = new Option<bool>("--json") { Description = "Prints one JSON object per event and line." };
        var sets = ExperimentCommand.SetOption();
        AtLeastOne(workers);
        AtLeastOne(threads);

        var command = new Command("run", "Runs the whole pipeline on this machine, from a base CLIP to a CLIP-MoE and its report." + Examples)
        {
            file, output, data, workers, threads, device, sets, resume, json,
        };
        command.SetAction(async result =>
        {
            var overrides = (result.GetValue(sets) ?? []).ToList();
            if (result.GetValue(data) is { } path) overrides.Add($"data.path={path}");
            var experiment = ExperimentFile.Load(result.GetValue(file)?.FullName, overrides);
            var folder = new RunFolder(Path.GetFullPath(result.GetValue(output) ?? Path.Combine("runs", experiment.Name)));
            var where = LocalResources.Choose(experiment, result.GetValue(device)!, result.GetValue(workers), result.GetValue(threads));
            return await Run(experiment, folder, where, result.GetValue(resume), result.GetValue(json));
        });
        return command;
    }

    private static async Task<int> Run(Experiment experiment, RunFolder folder, LocalResources where, bool resume, bool json)
    {
        var hash = ExperimentHash.Of(experiment);
        using var held = RunFolderLock.Take(folder, resume);
        AtomicFile.WriteAllText(folder.Experiment, ExperimentYaml.Write(experiment));
        var workspace = new Workspace(experiment, hash, folder, where.Device);
        await using var cluster = new LocalCluster(workspace, where.Workers);
        using var view = RunView.Create(json);
        cluster.Observe(view.Show);

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        view.Show(new RunStarted(
            experiment.Name, hash, folder.Root, where.Workers, where.Describe(), [.. StagePlan.For(experiment).Stages.Select(s => s.Name)]));
        switch (await cluster.Run())
        {
            case RunFinished finished:
                var report = ReportWriter.Write(workspace, where, finished.State);
                view.Show(new RunEnded(report.WeightsSha256, report.Checkpoint, folder.ReportHtml));
                return ExitCodes.Success;
            case RunStopped:
                view.Show(new RunWarning($"Stopped at a checkpoint; go on with: clipmoe run … --out {folder.Root} --resume"));
                return ExitCodes.Interrupted;
            case RunFailed { Cause: UserErrorException or IOException } failed:
                throw failed.Cause;
            case RunFailed failed:
                throw new InvalidOperationException($"stage {failed.Stage} failed: {failed.Cause.Message}", failed.Cause);
            default:
                throw new InvalidOperationException("the run ended in an unknown way");
        }

        // The first signal stops at a checkpoint; a second one ends the process as usual.
        void Stop(PosixSignalContext signal)
        {
            if (!view.Stopping()) return;
            signal.Cancel = true;
            cluster.Stop();
        }
    }

    private static void AtLeastOne(Option<int?> option) => option.Validators.Add(result =>
    {
        if (result.GetValueOrDefault<int?>() < 1) result.AddError($"{option.Name} must be at least 1.");
    });
}
