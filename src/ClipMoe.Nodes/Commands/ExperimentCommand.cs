using System.CommandLine;
using System.Text.Json.Nodes;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe experiment</c>: checks and prints experiment files.</summary>
internal static class ExperimentCommand
{
    public static Command Build() => new("experiment", "Checks and prints experiment files.") { Show() };

    private static Command Show()
    {
        var file = new Argument<FileInfo?>("FILE")
        {
            Description = "Experiment in YAML; without it the preset alone.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var sets = SetOption.Create();
        var json = new Option<bool>("--json") { Description = "Prints JSON with the keys hash and experiment." };
        var command = new Command(
            "show",
            "Prints an experiment with every key, as it would run, and the hash of what decides its weights.\n\nExamples:\n" +
            "  clipmoe experiment show\n  clipmoe experiment show my.yaml --set mcl.steps=500\n  clipmoe experiment show --set " +
            "preset=paper")
        {
            file, sets, json,
        };
        command.SetAction(result =>
        {
            var (experiment, missing) = ExperimentFile.LoadDraft(result.GetValue(file)?.FullName, result.GetValue(sets) ?? []);
            var hash = ExperimentHash.Compute(experiment, InputFiles.Hashes(experiment));
            Console.Write(result.GetValue(json)
                ? new JsonObject { ["hash"] = hash, ["experiment"] = ExperimentJson.Write(experiment) }.ToJsonString() + "\n"
                : $"# {hash}\n{ExperimentYaml.Write(experiment)}");
            if (missing.Count > 0) Console.Error.WriteLine(
                $"clipmoe: before this experiment can run it needs\n{ExperimentFile.Lines(missing)}");
            return ExitCodes.Success;
        });
        return command;
    }
}
