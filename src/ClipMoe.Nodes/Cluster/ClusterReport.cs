using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Scheduling;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Files;
using ClipMoe.Model.Native;
using ClipMoe.Nodes.Options;
using ClipMoe.Nodes.Runs;

namespace ClipMoe.Nodes.Cluster;

/// <summary>The report of an experiment that a cluster ran.</summary>
internal static class ClusterReport
{
    /// <returns>The files that it consists of, relative to the experiment's folder.</returns>
    public static IReadOnlyList<string> Write(FinishedExperiment run)
    {
        // The report names libtorch's version; nothing else of it is used on a coordinator.
        LibTorch.EnsureLoaded();
        var device = new WorkerDevice("cpu", 1);
        using var workspace = new Workspace(run.Id, run.Experiment, run.Hash, run.Folder, device);
        AtomicFile.WriteAllText(run.Folder.Experiment, ExperimentYaml.Write(run.Experiment));
        ReportWriter.Write(workspace, new LocalResources(device, 1), run.State);
        string[] files = [run.Folder.ReportHtml, run.Folder.ReportJson, run.Folder.Experiment];
        return [.. files.Select(f => Path.GetRelativePath(run.Folder.Root, f))];
    }
}
