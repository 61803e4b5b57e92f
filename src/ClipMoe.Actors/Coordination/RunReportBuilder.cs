using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Actors.Coordination;

/// <summary>The report of a finished run, from its journaled state and the file of its evaluation.</summary>
public static class RunReportBuilder
{
    public static RunReport Build(Workspace workspace, ExperimentState state, ReportExperiment experiment, ReportEnvironment environment)
    {
        var plan = StagePlan.For(workspace.Experiment);
        var evaluation = ReportJson.LoadEvaluation(workspace.Folder.Absolute(state.Completed[StagePlan.Evaluate].File!));
        var stages = plan.Stages.Select(s => Stage(s, state)).ToList();
        var comparison = MethodComparison.Create(
            [(workspace.Experiment.Seed, evaluation.Retrieval)], Methods(workspace.Experiment), StepsOf(workspace.Experiment, state));
        var checkpoint = state.Completed[StagePlan.Routers].File!;
        using var model = TensorFile.Open(workspace.Folder.Absolute(checkpoint));
        var report = new RunReport
        {
            Experiment = experiment,
            WeightsSha256 = state.WeightsSha256 ?? throw new InvalidOperationException("the run is not finished"),
            Checkpoint = checkpoint,
            Model = CheckpointConfig.Infer(model),
            Seconds = stages.Sum(s => s.Seconds),
            Environment = environment,
            Data = new ReportData(
                workspace.DataDescription, state.Data!.Fingerprint, state.Data.Train, state.Data.Test,
                state.Data.Bad > 0 ? Path.GetFileName(workspace.Folder.BadSamples) : null),
            BadSamples = state.Data.Bad,
            ImagesPerSecond = ImagesPerSecond(workspace.Experiment, plan, state),
            Stages = stages,
            Evaluations = evaluation.Retrieval,
            Attributes = evaluation.Attributes,
            ExpertLoads = evaluation.ExpertLoads,
            Examples = evaluation.Examples,
            Comparison = comparison,
        };
        return report with { Notes = ReportNotes.Create(report) };
    }

    /// <summary>The MoE, then what it is compared with.</summary>
    public static IReadOnlyList<string> Methods(Experiment experiment) =>
        [MethodComparison.Moe, .. experiment.Evaluation.Compare.Select(StagePlan.Name)];

    /// <summary>Training steps of each method after the base.</summary>
    public static IReadOnlyDictionary<string, int> StepsOf(Experiment experiment, ExperimentState state)
    {
        var plan = StagePlan.For(experiment);
        var steps = experiment.Evaluation.Compare.Select(StagePlan.Name).ToDictionary(c => c, c => Steps(c));
        steps[MethodComparison.Moe] = Steps(StagePlan.Routers);
        return steps;

        int Steps(string model) => plan.TrainingOf(model).Sum(s => state.TotalSteps[s]);
    }

    private static double ImagesPerSecond(Experiment experiment, StagePlan plan, ExperimentState state)
    {
        var trained = plan.Stages.OfType<TrainModel>().Select(s => s.Name).ToList();
        var seconds = trained.Sum(state.SecondsSpent);
        return seconds == 0 ? 0 : trained.Sum(s => state.TotalSteps[s]) * (double)experiment.Batch.Size / seconds;
    }

    private static StageReport Stage(StageSpec spec, ExperimentState state)
    {
        var result = state.Completed[spec.Name];
        var losses = state.Losses(spec.Name).ToList();
        var metrics = state.Metrics(spec.Name);
        return new StageReport(spec.Name, spec.Kind, result.Seconds)
        {
            Steps = result.Steps,
            FinalLoss = result.FinalLoss,
            ImagesPerSecond = result.ImagesPerSecond,
            Losses = losses.Count == 0 ? null : losses,
            Metrics = metrics.Count == 0 ? null : metrics,
            ClusterSizes = result.ClusterSizes,
        };
    }
}
