using System.Runtime.InteropServices;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Stages;
using ClipMoe.Model;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Dashboard.Live;
using ClipMoe.Nodes.Dashboard.TensorBoard;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Runs;

/// <summary>One experiment in one output folder with everything in this process.</summary>
internal static class LocalRun
{
    /// <summary>Runs to the end and writes the report.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="UserErrorException">The experiment, its data or its output folder can't be used.</exception>
    public static async Task<int> Run(Experiment experiment, RunFolder folder, ResourceWishes wishes, bool resume, RunView view)
    {
        if (!File.Exists(folder.Journal)) InputFiles.Require(experiment);
        using var held = RunFolderLock.Take(folder);
        var history = RunHistory.Open(folder, experiment, resume);
        var run = Prepare(experiment, folder, wishes, history);
        return await Outcome(run, view, [.. StagePlan.For(experiment).Stages.Select(PlannedStage.FromSpec)], onlyStage: null) switch
        {
            RunFinished finished => Report(run, finished.State, view),
            RunStopped => Stopped(folder, view),
            var other => throw new InvalidOperationException($"the run ended with {other.GetType().Name}"),
        };
    }

    /// <summary>Runs one stage of an existing run again, from its beginning.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="UserErrorException">A stage that it reads has not run.</exception>
    public static async Task<int> RunStage(Experiment experiment, RunFolder folder, ResourceWishes wishes, string stage, RunView view)
    {
        using var held = RunFolderLock.Take(folder);
        var run = Prepare(experiment, folder, wishes, RunHistory.Load(folder));
        switch (await Outcome(run, view, [PlannedStage.FromSpec(StagePlan.For(experiment)[stage])], stage))
        {
            case StageRerun { OutOfDate: { Count: > 0 } outOfDate }:
                view.Show(new RunWarning(
                    $"stage {stage} produced another result than before, so what builds on it is out of date " +
                    $"({string.Join(", ", outOfDate)} "
                    + $"and the report): clipmoe run {folder.Experiment} --out {folder.Root} --resume brings it up to date."));
                return ExitCodes.Success;
            case StageRerun:
                return ExitCodes.Success;
            case RunStopped:
                return Stopped(folder, view);
            case var other:
                throw new InvalidOperationException($"the stage ended with {other.GetType().Name}");
        }
    }

    /// <summary>A run that is about to start or continue.</summary>
    /// <param name="Begun">What it was started with; null for a new run, and for one that did not note it.</param>
    private sealed record PreparedRun(Workspace Workspace, LocalResources Where, ComputeConditions Conditions, ComputeConditions? Begun);

    private static PreparedRun Prepare(Experiment experiment, RunFolder folder, ResourceWishes wishes, RunHistory history)
    {
        var inputs = InputFiles.Hashes(experiment, history.Begun, history.State.Data);
        var hash = ExperimentHash.Compute(experiment, inputs);
        history.Require(folder, experiment, inputs, hash);
        var begun = history.State.Accepted?.Conditions;
        var where = LocalResources.Choose(experiment, wishes, begun);
        var workspace = new Workspace(PersistenceIds.LocalRun, experiment, hash, folder, where.Device);
        var based = history.State.Completed.GetValueOrDefault(StagePlan.Base)?.File;
        var precision = workspace.Models.PrecisionOf(BaseConfig(experiment, based is null ? null : folder.Absolute(based)));
        return new PreparedRun(
            workspace, where, new ComputeConditions(where.Device.Name, where.Device.Threads, precision.Name()), begun);
    }

    /// <summary>As far as it matters for what the model computes in.</summary>
    /// <param name="model">The run's own base, once there is one.</param>
    private static ClipConfig BaseConfig(Experiment experiment, string? model)
    {
        if ((File.Exists(model) ? model : experiment.Model.Checkpoint) is not { } file) return ClipConfig.Named(experiment.Model.Name);
        using var tensors = TensorFile.Open(file);
        return CheckpointConfig.Infer(tensors);
    }

    private static async Task<RunOutcome> Outcome(PreparedRun run, RunView view, IReadOnlyList<PlannedStage> stages, string? onlyStage)
    {
        var workspace = run.Workspace;
        view.Show(new RunStarted(
            workspace.Experiment.Name, workspace.Hash, workspace.Folder.Root, run.Where.Workers, run.Conditions.ToString(), stages));
        if (run.Begun is { } begun && begun != run.Conditions)
            view.Show(new RunWarning($"this run was started on {begun}; weights will not be bitwise identical on {run.Conditions}."));
        using var tensorBoard = new TensorBoardLog(workspace.Folder.TensorBoard);
        await using var cluster = new LocalCluster(workspace, run.Where.Workers, run.Conditions);
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

    private static int Report(PreparedRun run, ExperimentState state, RunView view)
    {
        var report = ReportWriter.Write(run.Workspace, run.Where, state);
        view.Show(new RunEnded(report.WeightsSha256, report.Checkpoint, run.Workspace.Folder.ReportHtml));
        return ExitCodes.Success;
    }

    private static int Stopped(RunFolder folder, RunView view)
    {
        view.Show(new RunWarning($"Stopped at a checkpoint; run the same command with --resume (and --out {folder.Root}) to continue " +
            $"from it."));
        return ExitCodes.Interrupted;
    }
}
