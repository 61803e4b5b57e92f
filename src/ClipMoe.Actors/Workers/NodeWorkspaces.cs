using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;

namespace ClipMoe.Actors.Workers;

/// <summary>The experiments of a worker's process: one at a time, each in a folder of its name.</summary>
public sealed class NodeWorkspaces(string output, WorkerDevice device, PeerFiles elsewhere) : IWorkspaces, IDisposable
{
    private Workspace? _workspace;

    public Workspace Open(OpenExperiment experiment)
    {
        if (_workspace?.Id == experiment.Id && _workspace.Hash == experiment.Hash) return _workspace;
        _workspace?.Dispose();
        var folder = new RunFolder(Path.Combine(output, experiment.Id));
        Directory.CreateDirectory(folder.Root);
        return _workspace = new Workspace(experiment.Id, experiment.Experiment, experiment.Hash, folder, device,
            elsewhere.ForExperiment(experiment.Id));
    }

    public void Dispose() => _workspace?.Dispose();
}
