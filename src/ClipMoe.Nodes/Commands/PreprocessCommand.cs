using System.CommandLine;
using ClipMoe.Model.Images;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe preprocess</c>: the pixels that the model sees of image files.</summary>
internal static class PreprocessCommand
{
    private const string AsIs = "as-is", RgbFirst = "rgb-first";

    public static Command Build()
    {
        var size = new Option<int>("--size")
        {
            Description = "Side of the square result in pixels: the model's resolution.",
            Required = true
        };
        var order = new Option<string>("--order")
        {
            Description = "as-is: resize, crop, then convert to RGB (the reference on ShareGPT4V); rgb-first: convert, then resize (on " +
            "folders).",
            DefaultValueFactory = _ => AsIs,
        };
        var output = new Option<string>("--out")
        {
            Description = "File to write: safetensors, or PyTorch's format for .pt.",
            Required = true
        };
        var skipBad = new Option<bool>("--skip-bad") { Description = "Leave images that cannot be used out, instead of writing nothing." };
        var files = new Argument<string[]>("FILE")
        {
            Description = "Image files: JPEG, PNG, WebP, GIF (first frame), BMP, TIFF.",
            Arity = ArgumentArity.OneOrMore,
        };
        order.AcceptOnlyFromAmong(AsIs, RgbFirst);
        size.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > ImagePreprocessor.MaxSize)
                result.AddError($"--size must be 1 to {ImagePreprocessor.MaxSize}.");
        });

        var command = new Command(
            "preprocess",
            "Decodes images, resizes their shorter side, crops the center, and writes the bytes of each as the tensor u8/NAME [3, size, " +
            "size], " +
            "NAME being the file's name.\n\nExamples:\n" +
            "  clipmoe preprocess --size 224 --out pixels.safetensors *.jpg\n" +
            "  clipmoe preprocess --size 32 --order rgb-first --skip-bad --out pixels.safetensors pictures/*")
        {
            size, order, output, skipBad, files,
        };
        command.SetAction((parsed, cancellation) =>
        {
            var conversion = parsed.GetValue(order) == RgbFirst ? ConversionOrder.RgbFirst : ConversionOrder.AsIs;
            var images = parsed.GetRequiredValue(files);
            var preprocessor = new ImagePreprocessor(parsed.GetValue(size), conversion);
            var (target, skip) = (parsed.GetRequiredValue(output), parsed.GetValue(skipBad));
            var bad = PreprocessedImages.Write(images, preprocessor, target, skip, cancellation);
            foreach (var image in bad) Console.Error.WriteLine($"clipmoe: {image.Reason}");
            if (bad.Count == images.Length || (bad.Count > 0 && !skip)) return Task.FromResult(ExitCodes.WrongInput);
            Console.WriteLine($"{images.Length - bad.Count} images in {target}{(bad.Count > 0 ? $", {bad.Count} skipped" : "")}");
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }
}
