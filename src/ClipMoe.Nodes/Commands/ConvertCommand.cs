using System.CommandLine;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe convert</c>: a checkpoint in another format.</summary>
internal static class ConvertCommand
{
    private static readonly string[] Extensions = [".safetensors", ".pt", ".pth"];

    public static Command Build()
    {
        var input = new Argument<FileInfo>("IN")
        {
            Description =
            "safetensors, PyTorch state dict or training checkpoint, or TorchScript archive."
        };
        var output = new Argument<FileInfo>("OUT") { Description = "File to write; its ending chooses the format: .safetensors or .pt." };
        output.Validators.Add(result =>
        {
            if (!Extensions.Contains(Path.GetExtension(result.Tokens[0].Value).ToLowerInvariant()))
                result.AddError($"OUT must end in {string.Join(", ", Extensions)}, which choose the format, not " +
                    $"'{result.Tokens[0].Value}'.");
        });
        var type = new Option<string>("--dtype")
        {
            Description = "keep: as they are; fp32: everything; fp16, bf16: the weights that OpenAI publishes in fp16, but embeddings " +
            "and LayerNorms "
                + "stay in fp32.",
            DefaultValueFactory = _ => "keep",
        };
        type.AcceptOnlyFromAmong("keep", "fp32", "fp16", "bf16");
        var stretch = new Option<bool>("--stretch")
        {
            Description =
            "Stretch the text positions from 77 to 248, as Long-CLIP and the reference do."
        };
        var topK = new Option<int?>("--top-k") { Description = "Experts per token of a CLIP-MoE whose file does not say (default: 2)." };
        var command = new Command(
            "convert",
            "Writes a checkpoint in another format: safetensors with its configuration and provenance, or a state dict that Python's " +
            "torch.load "
            + "opens.\n\nExamples:\n  clipmoe convert ViT-B-32.pt base.safetensors --stretch\n  clipmoe convert moe.safetensors moe.pt " +
            "--dtype fp16")
        {
            input, output, type, stretch, topK,
        };
        command.SetAction(result =>
        {
            var (from, to) = (result.GetRequiredValue(input).FullName, result.GetRequiredValue(output).FullName);
            var options = new ConversionOptions(TypeOf(result.GetRequiredValue(type)), result.GetValue(stretch), result.GetValue(topK));
            using (var source = TensorFile.Open(from)) CheckpointConversion.Convert(source, to, options, TensorFile.Sha256(source));
            using var written = TensorFile.Open(to);
            Console.WriteLine($"{written.Tensors.Count} tensors, {written.Tensors.Sum(t => t.ByteLength) / 1e6:0.0} MB in {to}");
            if (Path.GetExtension(to) != ".safetensors" && CheckpointConfig.IsClip(written)
                && CheckpointConfig.Infer(written, options.TopK) is { } config && Strange(config) is { } why)
                Console.Error.WriteLine($"clipmoe: Python's torch.load opens {to}, but the reference's loader does not: {why}.");
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>
    /// Why the reference's build_model can't hold a model, which counts on stretched positions and heads of 64; null when it can.
    /// </summary>
    private static string? Strange(ClipConfig config) =>
        ((TowerConfig[])[config.Vision, config.Text]).FirstOrDefault(t => t.Width != 64 * t.Heads) is { } tower
            ? $"it gives a tower of width {tower.Width} {tower.Width / 64} heads, this one has {tower.Heads}"
            : config.StretchedPositions ? null : "it wants stretched text positions (--stretch)";

    private static TensorType? TypeOf(string name) => name switch
    {
        "fp32" => TensorType.F32,
        "fp16" => TensorType.F16,
        "bf16" => TensorType.BF16,
        _ => null,
    };
}
