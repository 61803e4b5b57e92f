using System.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary>The command line <c>clipmoe</c>: one file per command in this folder, listed here and nowhere else.</summary>
internal static class Root
{
    public static RootCommand Build()
    {
        var root = new RootCommand("Turns a dense CLIP checkpoint into a CLIP-MoE by Diversified Multiplet Upcycling.")
        {
            RunCommand.Build(),
            NodeCommand.Build(),
            WorkerCommand.Build(),
            SubmitCommand.Build(),
            WatchCommand.Build(),
            StatusCommand.Build(),
            ChaosCommand.Build(),
            DataCommand.Build(),
            ExperimentCommand.Build(),
            TokenizeCommand.Build(),
            TokenizerCommand.Build(),
            PreprocessCommand.Build(),
            VerifyCommand.Build(),
            BenchCommand.Build(),
            ConvertCommand.Build(),
            InspectCommand.Build(),
        };
        foreach (var command in StageCommands.Build()) root.Add(command);
        foreach (var command in ControlCommands.Build()) root.Add(command);
        return root;
    }
}
