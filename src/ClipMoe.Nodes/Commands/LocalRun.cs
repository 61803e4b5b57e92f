using System.Runtime.InteropServices;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model;
using ClipMoe.Model.Files;
using ClipMoe.Nodes.Dashboard.Live;
using ClipMoe.Nodes.Dashboard.TensorBoard;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Commands;

/// <summary>One experiment in one output folder with everything in this process.</summary>
internal static class LocalRun
{
    /// <summary>Runs to the end and writes the report.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="UserErrorException">The experiment, its data or its output folder can't be used.</exception>
    public static async Task<int> Run(Experiment experiment, RunFolder folder, LocalResources where, bool resume, RunView view)
    {
        using var held = RunFolderLock.Take(folder, resume);
        var workspace = new Workspace("experiment", experiment, ExperimentHash.Of(experiment), folder, where.Device);
        if (!File.Exists(folder.Experiment)) AtomicFile.WriteAllText(folder.Experiment, ExperimentYaml.Write(experiment));
        view.Show(new RunStarted(
            experiment.Name, workspace.Hash, folder.Root, where.Workers, where.Describe(),
            [.. StagePlan.For(experiment).Stages.Select(PlannedStage.Of)]));
        return await Outcome(workspace, where, view, onlyStage: null) switch
        {
            RunFinished finished => Report(workspace, where, finished.State, view),
            RunStopped => Stopped(folder, view),
            var other => throw new InvalidOperationException($"the run ended with {other.GetType().Name}"),
        };
    }

    /// <summary>Runs one stage of an existing run again, from its beginning.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="UserErrorException">A stage that it reads has not run.</exception>
    public static async Task<int> RunStage(Experiment experiment, RunFolder folder, LocalResources where, string stage, RunView view)
    {
        using var held = RunFolderLock.Take(folder, resume: true);
        var workspace = new Workspace("experiment", experiment, ExperimentHash.Of(experiment), folder, where.Device);
        var planned = PlannedStage.Of(StagePlan.For(experiment)[stage]);
        view.Show(new RunStarted(experiment.Name, workspace.Hash, folder.Root, where.Workers, where.Describe(), [planned]));
        switch (await Outcome(workspace, where, view, stage))
        {
            case StageRerun { Before: { } before } rerun when before.Sha256 != rerun.Result.Sha256:
                view.Show(new RunWarning($"stage {stage} made another result than before ({rerun.Result.Sha256}, before {before.Sha256})."));
                return ExitCodes.Success;
            case StageRerun:
                return ExitCodes.Success;
            case RunStopped:
                return Stopped(folder, view);
            case var other:
                throw new InvalidOperationException($"the stage ended with {other.GetType().Name}");
        }
    }

    private static async Task<RunOutcome> Outcome(Workspace workspace, LocalResources where, RunView view, string? onlyStage)
    {
        using var tensorBoard = new TensorBoardLog(workspace.Folder.TensorBoard);
        await using var cluster = new LocalCluster(workspace, where.Workers);
        cluster.Observe(e =>
        {
            view.Show(e);
            tensorBoard.Write(e);
        });
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await cluster.Run(onlyStage) switch
        {
            RunFailed { Cause: UserErrorException or IOException } failed => throw failed.Cause,
            RunFailed failed => throw new InvalidOperationException($"stage {failed.Stage} failed: {failed.Cause.Message}", failed.Cause),
            var outcome => outcome,
        };

        // The first signal stops at a checkpoint; a second one ends the process as usual.
        void Stop(PosixSignalContext signal)
        {
            if (!view.Stopping()) return;
            signal.Cancel = true;
            cluster.Stop();
        }
    }

    private static int Report(Workspace workspace, LocalResources where, ExperimentState state, RunView view)
    {
        var report = ReportWriter.Write(workspace, where, state);
        view.Show(new RunEnded(report.WeightsSha256, report.Checkpoint, workspace.Folder.ReportHtml));
        return ExitCodes.Success;
    }

    private static int Stopped(RunFolder folder, RunView view)
    {
        view.Show(new RunWarning($"Stopped at a checkpoint; the same command with --resume (and --out {folder.Root}) goes on from it."));
        return ExitCodes.Interrupted;
    }
}
