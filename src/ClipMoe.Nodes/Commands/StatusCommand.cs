using System.CommandLine;
using System.Text.Json.Nodes;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Scheduling;
using ClipMoe.Nodes.Cluster;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe status</c>: what a cluster consists of, and what it does.</summary>
internal static class StatusCommand
{
    public static Command Build()
    {
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var workers = new Option<int>("--wait-workers")
        {
            Description = "Waits until this many workers are active; Ctrl-C stops waiting.",
            HelpName = "N"
        };
        var json = new Option<bool>("--json") { Description = "Prints one JSON object." };
        var command = new Command(
            "status",
            "Shows the nodes, workers and experiments of a cluster.\n\nExamples:\n"
            + "  clipmoe status --cluster 10.0.0.1:4055\n  clipmoe status --cluster 10.0.0.1:4055 --wait-workers 8")
        {
            cluster, tls, workers, json,
        };
        command.SetAction(async (result, cancellation) =>
        {
            await using var client = ClusterOption.Connect(result.GetValue(cluster)!, result.GetValue(tls));
            var status = result.GetValue(workers) is > 0 and var count
                ? await UntilWorkers(client, count, cancellation)
                : await client.Ask<ClusterStatus>(new GetStatus());
            Console.Write(result.GetValue(json) ? Json(status).ToJsonString() + "\n" : Text(status));
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>Asks again and again, also while there is no cluster yet.</summary>
    private static async Task<ClusterStatus> UntilWorkers(ClusterClient client, int count, CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                var status = await client.Ask<ClusterStatus>(new GetStatus());
                if (status.Workers.Count(w => w.State == WorkerState.Active) >= count) return status;
            }
            catch (IOException)
            {
                // Not there yet.
            }
            await Task.Delay(TimeSpan.FromSeconds(0.25), cancellation);
        }
    }

    internal static JsonObject Json(ClusterStatus status) => new()
    {
        ["coordinator"] = status.Coordinator,
        ["term"] = status.Term,
        ["nodes"] = new JsonArray([.. status.Nodes.Select(n => new JsonObject { ["name"] = n.Name, ["coordinator"] = n.Coordinator })]),
        ["workers"] = new JsonArray([.. status.Workers.Select(w => new JsonObject
        {
            ["name"] = w.Info.Name, ["device"] = w.Info.Device.Name, ["threads"] = w.Info.Device.Threads, ["state"] = w.State.ToString()
            .ToLowerInvariant(),
            ["bulk"] = w.Info.Endpoint.ToString(),
        })]),
        ["max_workers"] = status.MaxWorkers,
        ["experiments"] = new JsonArray([.. status.Experiments.Select(e => new JsonObject
        {
            ["id"] = e.Id, ["name"] = e.Name, ["hash"] = e.Hash, ["status"] = e.Status.ToString().ToLowerInvariant(), ["stage"] = e.Stage,
            ["done"] = e.Done,
            ["total"] = e.Total, ["images_per_second"] = e.ImagesPerSecond, ["weights_sha256"] = e.WeightsSha256, ["message"] = e.Message,
        })]),
    };

    private static string Text(ClusterStatus status)
    {
        var lines = new List<string> { $"coordinator {status.Coordinator} (the {Ordinal(status.Term)} of this cluster)", "", "nodes" };
        lines.AddRange(status.Nodes.Select(n => $"  {n.Name}{(n.Coordinator ? "  coordinator" : "")}"));
        if (CoordinatorQuorum.Warning(status.Nodes.Count(n => n.Coordinator)) is { } warning) lines.Add($"  warning: {warning}");
        lines.AddRange(["", status.MaxWorkers is { } max ? $"workers, at most {max} active" : "workers"]);
        lines.AddRange(status.Workers.Select(
            w => $"  {w.Info.Name}  {w.State.ToString().ToLowerInvariant()}, {w.Info.Device.Threads} threads"));
        lines.AddRange(["", "experiments"]);
        lines.AddRange(status.Experiments.Select(e =>
            $"  {e.Id}  {e.Status.ToString().ToLowerInvariant()}{(e.Stage is null ? "" : $", {e.Stage}")}{(e.Done is null ? "" : $" " +
            $"{e.Done} of {e.Total}")}"
            + $"{(e.ImagesPerSecond is { } rate ? $", {rate:0} images/s" : "")}{(e.WeightsSha256 is null ? "" : $", weights " +
            $"{e.WeightsSha256}")}{(e.Message is null ? "" : $": {e.Message}")}"));
        return string.Join('\n', lines) + "\n";
    }

    private static string Ordinal(int n) => (n % 100 is >= 11 and <= 13 ? 0 : n % 10) switch
    {
        1 => $"{n}st",
        2 => $"{n}nd",
        3 => $"{n}rd",
        _ => $"{n}th"
    };
}
