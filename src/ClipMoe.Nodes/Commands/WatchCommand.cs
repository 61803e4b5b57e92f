using System.CommandLine;
using System.Text.Json.Nodes;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Management;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Workers;
using ClipMoe.Model;
using ClipMoe.Nodes.Dashboard.Live;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe watch</c>: the live view of an experiment of a cluster.</summary>
internal static class WatchCommand
{
    public static Command Build()
    {
        var id = new Argument<string?>("ID") { Description = "The experiment; default: the one that runs, or ran last.", Arity = ArgumentArity.ZeroOrOne };
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var fetch = new Option<string?>("--fetch") { Description = "At the end copies the report and the final checkpoint to this folder.", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "Prints one JSON object per event and line." };
        var command = new Command(
            "watch",
            "Follows an experiment of a cluster to its end, and exits as clipmoe run does. Ctrl-C ends the watching, not the experiment."
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
                        ended.WeightsSha256!, Place(ended.Report[^1]), Place(ended.Report.First(f => f.Path.EndsWith(".html", StringComparison.Ordinal)))));
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

/// <summary><c>clipmoe status</c>: what a cluster consists of, and what it does.</summary>
internal static class StatusCommand
{
    public static Command Build()
    {
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var json = new Option<bool>("--json") { Description = "Prints one JSON object." };
        var command = new Command("status", "Shows the nodes, workers and experiments of a cluster.\n\nExample:\n  clipmoe status --cluster 10.0.0.1:4055") { cluster, tls, json };
        command.SetAction(async result =>
        {
            await using var client = ClusterOption.Connect(result.GetValue(cluster)!, result.GetValue(tls));
            var status = await client.Ask<ClusterStatus>(new GetStatus());
            Console.Write(result.GetValue(json) ? Json(status).ToJsonString() + "\n" : Text(status));
            return ExitCodes.Success;
        });
        return command;
    }

    private static JsonObject Json(ClusterStatus status) => new()
    {
        ["coordinator"] = status.Coordinator,
        ["term"] = status.Term,
        ["nodes"] = new JsonArray([.. status.Nodes.Select(n => new JsonObject { ["name"] = n.Name, ["coordinator"] = n.Coordinator })]),
        ["workers"] = new JsonArray([.. status.Workers.Select(w => new JsonObject
        {
            ["name"] = w.Info.Name, ["device"] = w.Info.Device.Name, ["threads"] = w.Info.Device.Threads, ["state"] = w.State.ToString().ToLowerInvariant(),
        })]),
        ["max_workers"] = status.MaxWorkers,
        ["experiments"] = new JsonArray([.. status.Experiments.Select(e => new JsonObject
        {
            ["id"] = e.Id, ["name"] = e.Name, ["hash"] = e.Hash, ["status"] = e.Status.ToString().ToLowerInvariant(), ["stage"] = e.Stage, ["done"] = e.Done,
            ["total"] = e.Total, ["images_per_second"] = e.ImagesPerSecond, ["weights_sha256"] = e.WeightsSha256, ["message"] = e.Message,
        })]),
    };

    private static string Text(ClusterStatus status)
    {
        var lines = new List<string> { $"coordinator {status.Coordinator} (the {Ordinal(status.Term)} of this cluster)", "", "nodes" };
        lines.AddRange(status.Nodes.Select(n => $"  {n.Name}{(n.Coordinator ? "  coordinator" : "")}"));
        if (CoordinatorQuorum.Warning(status.Nodes.Count(n => n.Coordinator)) is { } warning) lines.Add($"  warning: {warning}");
        lines.AddRange(["", status.MaxWorkers is { } max ? $"workers, at most {max} at work" : "workers"]);
        lines.AddRange(status.Workers.Select(w => $"  {w.Info.Name}  {w.State.ToString().ToLowerInvariant()}, {w.Info.Device.Threads} threads"));
        lines.AddRange(["", "experiments"]);
        lines.AddRange(status.Experiments.Select(e =>
            $"  {e.Id}  {e.Status.ToString().ToLowerInvariant()}{(e.Stage is null ? "" : $", {e.Stage}")}{(e.Done is null ? "" : $" {e.Done} of {e.Total}")}"
            + $"{(e.ImagesPerSecond is { } rate ? $", {rate:0} images/s" : "")}{(e.WeightsSha256 is null ? "" : $", weights {e.WeightsSha256}")}{(e.Message is null ? "" : $": {e.Message}")}"));
        return string.Join('\n', lines) + "\n";
    }

    private static string Ordinal(int n) => (n % 100 is >= 11 and <= 13 ? 0 : n % 10) switch { 1 => $"{n}st", 2 => $"{n}nd", 3 => $"{n}rd", _ => $"{n}th" };
}
