using System.CommandLine;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Model;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Dashboard.Live;
using ClipMoe.Nodes.Options;
using ClipMoe.Nodes.Runs;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe train | embed | cluster | assemble | evaluate</c>: one stage of an existing run again, alone.</summary>
internal static class StageCommands
{
    public static IEnumerable<Command> Build() =>
        StageKind.All.SelectMany(kind => kind.Again is { } again ? [Build(kind, again)] : (Command[])[]);

    private static Command Build(StageKind kind, StageAgain again)
    {
        var (name, what, example) = again;
        var stage = new Argument<string?>("STAGE")
        {
            Description = "Name of the stage; not needed where the run has just one of the kind.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var output = new Option<string>("--out") { Description = "Output folder of the run.", HelpName = "DIR", Required = true };
        var resources = new ResourceOptions();
        var json = new Option<bool>("--json") { Description = "Prints each event, with all metrics of a step, as one line of JSON." };
        var command = new Command(
            name, $"{what}, from the results of the stages before it.\n\nExample:\n  clipmoe {name} {example} --out runs/demo")
        {
            stage, output, json,
        };
        resources.AddTo(command);
        command.SetAction(async result =>
        {
            var folder = new RunFolder(Path.GetFullPath(result.GetValue(output)!));
            if (!File.Exists(folder.Journal))
                throw new UserErrorException($"{folder.Root} holds no run: start one with clipmoe run --out {folder.Root}.");
            var experiment = ExperimentFile.Load(folder.Experiment, []);
            using var view = RunView.Create(result.GetValue(json));
            var chosen = Choose(kind, experiment, result.GetValue(stage));
            return await LocalRun.RunStage(experiment, folder, resources.Read(result), chosen, view);
        });
        return command;
    }

    /// <exception cref="UserErrorException">The run has no such stage, or several and none was named.</exception>
    private static string Choose(StageKind kind, Experiment experiment, string? name)
    {
        var stages = StagePlan.For(experiment).Stages.Where(s => s.Kind == kind.Name).Select(s => s.Name).ToList();
        if (name is null && stages.Count == 1) return stages[0];
        if (name is not null && stages.Contains(name)) return name;
        throw new UserErrorException(name is null
            ? $"the run has several such stages: name one of {string.Join(", ", stages)}."
            : $"the run has no such stage {name}: it has {string.Join(", ", stages)}.");
    }
}
