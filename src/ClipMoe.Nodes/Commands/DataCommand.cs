using System.CommandLine;
using ClipMoe.Model.Datasets.Scenes;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe data</c>: makes data sets.</summary>
internal static class DataCommand
{
    public static Command Build() => new("data", "Makes data sets.") { Scenes() };

    private static Command Scenes()
    {
        var defaults = new SceneSettings();
        var folder = new Option<DirectoryInfo>("--out") { Description = "New or empty folder to write into.", Required = true };
        var train = Size("--train", "Scenes to train on.", defaults.Train);
        var validation = Size("--val", "Scenes for validation.", defaults.Validation);
        var test = Size("--test", "Scenes for the test split.", defaults.Test);
        var seed = new Option<ulong>("--seed") { Description = "Chooses the scenes.", DefaultValueFactory = _ => defaults.Seed };
        var command = new Command(
            "scenes",
            "Writes the embedded benchmark: pictures of 32 px with an object and a small dot, a caption file for each, and factors.csv " +
            "with the " +
            "true attributes.\n\nExamples:\n  clipmoe data scenes --out scenes\n" +
            "  clipmoe data scenes --out small --train 500 --val 0 --test 100 --seed 3")
        {
            folder, train, validation, test, seed,
        };
        command.SetAction((result, cancellation) =>
        {
            var settings = new SceneSettings(
                result.GetValue(train), result.GetValue(validation), result.GetValue(test), result.GetValue(seed));
            var path = result.GetRequiredValue(folder).FullName;
            SceneBenchmark.Make(path, settings, cancellation);
            Console.WriteLine($"{settings.Train + settings.Validation + settings.Test} scenes in {path}");
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static Option<int> Size(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
