using System.CommandLine;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Workers;
using ClipMoe.Model;
using ClipMoe.Nodes.Cluster;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Dashboard.Live;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe watch</c>: the live view of an experiment of a cluster.</summary>
internal static class WatchCommand
{
    public static Command Build()
    {
        var id = new Argument<string?>("ID")
        {
            Description = "The experiment; default: the one that runs, or ran last.",
            Arity = ArgumentArity.ZeroOrOne
        };
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var fetch = new Option<string?>("--fetch")
        {
            Description = "At the end copies the report and the final checkpoint to this folder.",
            HelpName = "DIR"
        };
        var json = new Option<bool>("--json") { Description = "Prints each event, with all metrics of a step, as one line of JSON." };
        var command = new Command(
            "watch",
            "Follows an experiment of a cluster to its end, and exits with the codes of clipmoe run. Ctrl-C stops watching, not the " +
            "experiment."
            + "\n\nExample:\n  clipmoe watch --cluster 10.0.0.1:4055")
        {
            id, cluster, tls, fetch, json,
        };
        command.SetAction(async result =>
        {
            await using var client = ClusterOption.Connect(result.GetValue(cluster)!, result.GetValue(tls));
            return await Follow(client, result.GetValue(id), result.GetValue(json), result.GetValue(fetch));
        });
        return command;
    }

    /// <returns>The exit code.</returns>
    /// <exception cref="UserErrorException">There is no such experiment.</exception>
    public static async Task<int> Follow(ClusterClient client, string? id, bool json, string? fetch)
    {
        using var view = RunView.Create(json);
        await foreach (var e in client.Watch(id))
        {
            switch (e)
            {
                case CommandRefused refused:
                    throw new UserErrorException(refused.Message);
                case RunEvent shown:
                    view.Show(shown);
                    break;
                case ExperimentEnded { Status: ExperimentStatus.Finished } ended:
                    var folder = fetch is null ? null : Path.GetFullPath(fetch);
                    if (folder is not null) Fetch(client, ended, folder);
                    view.Show(new RunEnded(
                        ended.WeightsSha256!, Place(ended.Report[^1]),
                        Place(ended.Report.First(f => f.Path.EndsWith(".html", StringComparison.Ordinal)))));
                    return ExitCodes.Success;

                    string Place(WrittenFile file) => folder is null ? Path.Combine(ended.Id, file.Path) : Path.Combine(folder, file.Path);
                case ExperimentEnded ended:
                    view.Show(new RunWarning($"experiment {ended.Id} {ended.Status.ToString().ToLowerInvariant()}: {ended.Message}"));
                    return ended.Status == ExperimentStatus.Cancelled ? ExitCodes.Interrupted : ExitCodes.Failure;
            }
        }
        return ExitCodes.Failure;
    }

    private static void Fetch(ClusterClient client, ExperimentEnded ended, string folder)
    {
        var files = new PeerFiles(client.Transport) { Servers = ended.Servers };
        foreach (var file in ended.Report)
        {
            var path = Path.Combine(folder, file.Path);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            files.Fetch($"{ended.Id}/{file.Path}", file.Sha256, path);
        }
    }
}
