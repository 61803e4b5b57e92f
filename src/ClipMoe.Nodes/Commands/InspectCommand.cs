using System.CommandLine;
using ClipMoe.Model;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Nodes.Commands.Inspect;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe inspect</c>: what a path holds. What it is decides which of the files in <c>Inspect/</c> describes it.</summary>
internal static class InspectCommand
{
    public static Command Build()
    {
        var path = new Argument<string>("PATH") { Description = "A checkpoint (safetensors or .pt)." };
        var json = new Option<bool>("--json") { Description = "Print JSON, for programs." };
        var tensors = new Option<bool>("--tensors") { Description = "List every tensor of a checkpoint (JSON always does)." };
        var command = new Command(
            "inspect",
            "Shows what a file holds: architecture, parameter counts, types and provenance of a checkpoint.\n\n"
            + "Examples:\n  clipmoe inspect ViT-B-32.pt\n  clipmoe inspect moe.safetensors --json")
        {
            path, json, tensors,
        };
        command.SetAction(result =>
        {
            var target = Path.GetFullPath(result.GetRequiredValue(path));
            if (!File.Exists(target) && !Directory.Exists(target)) throw new UserErrorException($"{target} does not exist.");
            if (TensorFile.Recognises(target)) CheckpointInspection.Print(target, result.GetValue(json), result.GetValue(tensors));
            else throw new UserErrorException($"{target} is no checkpoint (safetensors or .pt).");
            return ExitCodes.Success;
        });
        return command;
    }
}
