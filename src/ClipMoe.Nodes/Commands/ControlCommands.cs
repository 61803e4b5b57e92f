using System.CommandLine;
using System.Globalization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Nodes.Cluster;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe pause | resume | cancel | drain | scale</c>: what a running cluster is told.</summary>
internal static class ControlCommands
{
    private const string All = "all";

    public static IEnumerable<Command> Build() =>
    [
        Create("pause", "Pauses the running experiment at a checkpoint; workers keep its state in memory.", Control.Pause),
        Create("resume", "Resumes a paused or failed experiment from where it stopped.", Control.Resume),
        Create("cancel", "Stops an experiment at a checkpoint, permanently.", Control.Cancel),
        Drain(),
        Scale(),
    ];

    private static Command Create(string name, string what, Control control)
    {
        var id = new Argument<string?>("ID")
        {
            Description = "The experiment; default: the one that runs.",
            Arity = ArgumentArity.ZeroOrOne
        };
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var command = new Command(name, $"{what}\n\nExample:\n  clipmoe {name} --cluster 10.0.0.1:4055") { id, cluster, tls };
        command.SetAction(result => Send(result.GetValue(cluster)!, result.GetValue(tls), async client =>
            new ControlExperiment(control, result.GetValue(id) ?? Meant(await client.Ask<ClusterStatus>(new GetStatus())))));
        return command;
    }

    /// <summary>Found out before: a command that comes late, or twice, is not to hit the experiment after.</summary>
    private static string? Meant(ClusterStatus status) =>
        (status.Experiments.FirstOrDefault(e => e.Status is ExperimentStatus.Running or ExperimentStatus.Paused)
            ?? status.Experiments.LastOrDefault())?.Id;

    private static Command Drain()
    {
        var worker = new Argument<string>("WORKER") { Description = "Its name in clipmoe status." };
        var back = new Option<bool>("--back") { Description = "Makes it active again." };
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var command = new Command(
            "drain",
            "Lets a worker finish its step and gives it no more work, so that its machine can be taken away.\n\nExamples:\n"
            + "  clipmoe drain 10.0.0.7:4055/cuda:1#1 --cluster 10.0.0.1:4055\n  clipmoe drain 10.0.0.7:4055/cuda:1#1 --back --cluster " +
            "10.0.0.1:4055")
        {
            worker, back, cluster, tls,
        };
        command.SetAction(result => Send(result.GetValue(cluster)!, result.GetValue(tls), new DrainWorker(result.GetValue(worker)!,
            result.GetValue(back))));
        return command;
    }

    private static Command Scale()
    {
        var workers = new Argument<string>("WORKERS") { Description = "Number of active workers, or all.", HelpName = "N|all" };
        workers.Validators.Add(result =>
        {
            var given = result.GetValueOrDefault<string>();
            if (given != All && !(int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0))
                result.AddError($"{given} is neither a number of workers, at least 1, nor {All}.");
        });
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var command = new Command(
            "scale",
            "Sets how many workers are active, now and for later experiments. The others stay in reserve and " +
            "replace workers that are lost. "
            + "Added workers join at the next step, surplus ones finish theirs; the weights do not depend on it.\n\nExamples:\n"
            + "  clipmoe scale 4 --cluster 10.0.0.1:4055\n  clipmoe scale all --cluster 10.0.0.1:4055")
        {
            workers, cluster, tls,
        };
        command.SetAction(result => Send(
            result.GetValue(cluster)!, result.GetValue(tls),
            new ScaleWorkers(result.GetValue(workers) is not All and { } number ? int.Parse(number, CultureInfo.InvariantCulture) : null)));
        return command;
    }

    private static Task<int> Send(string cluster, string? tls, object request) => Send(cluster, tls, _ => Task.FromResult(request));

    private static async Task<int> Send<T>(string cluster, string? tls, Func<ClusterClient, Task<T>> request)
        where T : class
    {
        await using var client = ClusterOption.Connect(cluster, tls);
        Console.WriteLine((await client.Ask<CommandDone>(await request(client))).Message);
        return ExitCodes.Success;
    }
}
