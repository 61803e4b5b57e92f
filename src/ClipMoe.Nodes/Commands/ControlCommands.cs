using System.CommandLine;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe pause | resume | cancel | drain</c>: what a running cluster is told.</summary>
internal static class ControlCommands
{
    public static IEnumerable<Command> Build() =>
    [
        Of("pause", "Has the running experiment write a checkpoint and wait; workers keep its state in memory.", Control.Pause),
        Of("resume", "Lets a paused experiment go on, or one that failed, from where it stands.", Control.Resume),
        Of("cancel", "Stops an experiment at a checkpoint, for good.", Control.Cancel),
        Drain(),
    ];

    private static Command Of(string name, string what, Control control)
    {
        var id = new Argument<string?>("ID") { Description = "The experiment; default: the one that runs.", Arity = ArgumentArity.ZeroOrOne };
        var cluster = ClusterOption.Create();
        var command = new Command(name, $"{what}\n\nExample:\n  clipmoe {name} --cluster 10.0.0.1:4055") { id, cluster };
        command.SetAction(result => Send(result.GetValue(cluster)!, new ControlExperiment(control, result.GetValue(id))));
        return command;
    }

    private static Command Drain()
    {
        var worker = new Argument<string>("WORKER") { Description = "Its name in clipmoe status." };
        var back = new Option<bool>("--back") { Description = "Gives it work again." };
        var cluster = ClusterOption.Create();
        var command = new Command(
            "drain",
            "Has a worker finish its step and gives it no more work, before its machine is taken away.\n\nExamples:\n"
            + "  clipmoe drain 10.0.0.7:4055/cuda:1#1 --cluster 10.0.0.1:4055\n  clipmoe drain 10.0.0.7:4055/cuda:1#1 --back --cluster 10.0.0.1:4055")
        {
            worker, back, cluster,
        };
        command.SetAction(result => Send(result.GetValue(cluster)!, new DrainWorker(result.GetValue(worker)!, result.GetValue(back))));
        return command;
    }

    private static async Task<int> Send(string cluster, object request)
    {
        await using var client = ClusterOption.Connect(cluster);
        Console.WriteLine((await client.Ask<CommandDone>(request)).Message);
        return ExitCodes.Success;
    }
}
