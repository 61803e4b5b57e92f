using System.CommandLine;
using System.Globalization;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Native;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Verification;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe verify</c>: a checkpoint's outputs against those that another implementation stored.</summary>
internal static class VerifyCommand
{
    public static Command Build()
    {
        var checkpoint = new Argument<string>("CHECKPOINT") { Description = "Checkpoint: .pt or .safetensors." };
        var io = new Argument<string>("IO.safetensors")
        {
            Description = "Stored outputs: image_features, text_features, image_router_logits, text_router_logits.",
        };
        var inputs = new Option<string?>("--inputs")
        {
            Description =
            "File with the images and tokens, when the outputs' file does not hold them."
        };
        var tolerance = new Option<double>("--tolerance")
        {
            Description = "Largest absolute difference allowed.",
            DefaultValueFactory = _ => 3e-5
        };
        var topK = new Option<int?>("--top-k")
        {
            Description =
            "Experts per token, where the checkpoint does not say. Default: 2, else whatever fits."
        };
        var device = new Option<string>("--device") { Description = $"{Devices.Forms}.", DefaultValueFactory = _ => "cpu" };
        tolerance.Validators.Add(result =>
        {
            if (!(result.GetValueOrDefault<double>() >= 0)) result.AddError("--tolerance must be at least 0.");
        });
        topK.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() < 1) result.AddError("--top-k must be at least 1.");
        });
        var command = new Command(
            "verify",
            "Recomputes features and router logits in fp32, with weights rounded to fp16 as the reference rounds them at every load, " +
            "and prints the " +
            "largest absolute difference of each. Exits with 1 when one is above the tolerance.\n\n" +
            "Examples:\n  clipmoe verify ViT-B-32.pt io.safetensors\n" +
            "  clipmoe verify moe.pt moe_io.safetensors --inputs moe_inputs.safetensors --device cuda:0")
        {
            checkpoint, io, inputs, tolerance, topK, device,
        };
        command.SetAction(parsed =>
        {
            using var weights = TensorFile.Open(parsed.GetRequiredValue(checkpoint));
            using var stored = TensorFile.Open(parsed.GetRequiredValue(io));
            using var given = TensorFile.Open(parsed.GetValue(inputs) ?? parsed.GetRequiredValue(io));
            var allowed = parsed.GetValue(tolerance);
            var found = FeatureVerification.Run(weights, stored, given, Devices.Parse(parsed.GetRequiredValue(device)), allowed,
                parsed.GetValue(topK));
            if (found.TriedTopK is { } k) Console.WriteLine($"{"top_k",-20} {k,-8}  fits; the checkpoint does not say");
            foreach (var difference in found.Differences)
            {
                var verdict = difference.Largest <= allowed ? "ok" : string.Create(CultureInfo.InvariantCulture, $"above {allowed:g3}");
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{difference.Name,-20} {difference.Largest:0.00e-00}  {verdict}"));
            }

            return found.Differences.All(d => d.Largest <= allowed) ? ExitCodes.Success : ExitCodes.Failure;
        });
        return command;
    }
}
