using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Stages;

/// <summary>Gives the workers of a process the workspace of the experiment that they are told to work for.</summary>
public interface IWorkspaces
{
    Workspace Open(OpenExperiment experiment);
}

/// <summary>The only experiment of a process that runs just one.</summary>
public sealed class OneWorkspace(Workspace workspace) : IWorkspaces
{
    public Workspace Open(OpenExperiment experiment) => workspace;
}
