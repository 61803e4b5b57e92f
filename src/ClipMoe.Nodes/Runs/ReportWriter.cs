using System.Reflection;
using System.Runtime.InteropServices;
using ClipMoe.Actors.Coordination;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Nodes.Dashboard;
using ClipMoe.Nodes.Options;
using TorchSharp;

namespace ClipMoe.Nodes.Runs;

/// <summary>Writes the report of a finished run, for machines and for people.</summary>
internal static class ReportWriter
{
    public static RunReport Write(Workspace workspace, LocalResources where, ExperimentState state)
    {
        var experiment = workspace.Experiment;
        var report = RunReportBuilder.Build(
            workspace, state, new ReportExperiment(experiment.Name, experiment.Seed, workspace.Hash, ExperimentYaml.Write(experiment)),
            EnvironmentOf(workspace, where, state));
        Save(workspace.Folder, report);
        return report;
    }

    public static void Save(RunFolder folder, RunReport report)
    {
        ReportJson.Save(folder.ReportJson, report);
        ReportHtml.Save(folder.ReportHtml, report);
    }

    private static ReportEnvironment EnvironmentOf(Workspace workspace, LocalResources where, ExperimentState state)
    {
        using var model = TensorFile.Open(workspace.Folder.Absolute(state.Completed[StagePlan.Base].File!));
        var precision = workspace.Models.PrecisionOf(CheckpointConfig.Infer(model));
        return new ReportEnvironment
        {
            ClipMoe = Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion,
            DotNet = RuntimeInformation.FrameworkDescription,
            LibTorch = torch.__version__,
            System = RuntimeInformation.OSDescription,
            Processor = ProcessorName(),
            Device = where.Device.Name,
            Precision = precision.Name(),
            Workers = where.Workers,
            ThreadsPerWorker = where.Device.Threads,
        };
    }

    private static string ProcessorName()
    {
        const string info = "/proc/cpuinfo";
        var line = File.Exists(info) ? File.ReadLines(info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
