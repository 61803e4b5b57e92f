using System.CommandLine;
using System.Text.Json.Nodes;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Nodes.Cluster;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe submit</c>: an experiment for a cluster to run.</summary>
internal static class SubmitCommand
{
    public static Command Build()
    {
        var file = new Argument<FileInfo?>("EXPERIMENT")
        {
            Description = "Experiment in YAML; without it the embedded demo.",
            Arity = ArgumentArity.ZeroOrOne
        };
        var (cluster, tls) = (ClusterOption.Create(), TlsOption.Create());
        var data = new Option<string?>("--data")
        {
            Description =
            "Captioned images, under the same path on all nodes; short for --set data.path=PATH.",
            HelpName = "PATH"
        };
        var sets = SetOption.Create();
        var wait = new Option<bool>("--wait")
        {
            Description =
            "Follows the experiment to its end, and exits with the codes of clipmoe run."
        };
        var fetch = new Option<string?>("--fetch")
        {
            Description =
            "With --wait: copies the report and the final checkpoint to this folder.",
            HelpName = "DIR"
        };
        var request = new Option<string?>("--request")
        {
            Description =
            "Name of this submission. Submitting the same name again returns the same experiment, so a script can retry when no answer " +
            "came.",
            HelpName = "NAME"
        };
        var json = new Option<bool>("--json") { Description = "Prints each event, with all metrics of a step, as one line of JSON." };
        var command = new Command(
            "submit",
            "Submits an experiment to a cluster, which runs it after those submitted before.\n\nExamples:\n"
            + "  clipmoe submit --cluster 10.0.0.1:4055 --wait --fetch results/\n"
            + "  clipmoe submit my.yaml --data /shared/photos --set mcl.steps=500 --cluster 10.0.0.1:4055,10.0.0.2:4055")
        {
            file, cluster, tls, data, sets, wait, fetch, request, json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(fetch) is not null && !result.GetValue(wait)) result.AddError("--fetch needs --wait.");
        });
        command.SetAction(async result =>
        {
            var overrides = (result.GetValue(sets) ?? []).ToList();
            if (result.GetValue(data) is { } path) overrides.Add($"data.path={Path.GetFullPath(path)}");
            var experiment = ExperimentFile.Load(result.GetValue(file)?.FullName, overrides);
            await using var client = ClusterOption.Connect(result.GetValue(cluster)!, result.GetValue(tls));
            var hash = ExperimentHash.Compute(experiment, InputFiles.Hashes(experiment));
            var submitted = await client.Ask<ExperimentSubmitted>(
                new SubmitExperiment(experiment, hash, result.GetValue(request) ?? $"{Guid.NewGuid()}"));
            if (result.GetValue(wait)) return await WatchCommand.Follow(client, submitted.Id, result.GetValue(json),
                result.GetValue(fetch));
            Console.WriteLine(result.GetValue(json)
                ? new JsonObject { ["id"] = submitted.Id, ["ahead"] = submitted.Ahead }.ToJsonString()
                : $"submitted as {submitted.Id}{(submitted.Ahead == 0 ? "" : $", after {submitted.Ahead} others")}.");
            return ExitCodes.Success;
        });
        return command;
    }
}
