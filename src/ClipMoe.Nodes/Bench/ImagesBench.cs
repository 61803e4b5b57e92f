using System.CommandLine;
using System.Diagnostics;
using ClipMoe.Model;
using ClipMoe.Model.Images;
using ClipMoe.Nodes.CommandLine;
using NetVips;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench images</c>: image files to the pixels that the model sees.</summary>
internal static class ImagesBench
{
    private const int MadeUpWidth = 640, MadeUpHeight = 480, MadeUpQuality = 85;

    public static Command Build()
    {
        var files = new Argument<string[]>("FILE")
        {
            Description = $"Image files. Default: a made-up photo, a JPEG of {MadeUpWidth} × {MadeUpHeight}.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var size = new Option<int>("--size") { Description = "Side of the square result in pixels.", DefaultValueFactory = _ => 224 };
        var threads = BenchOptions.AtLeast("--threads", 1, 1, "Threads at work at once.");
        var seconds = BenchOptions.Seconds();
        var json = BenchOptions.Json();
        size.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > ImagePreprocessor.MaxSize)
                result.AddError($"--size must be 1 to {ImagePreprocessor.MaxSize}.");
        });

        var command = new Command(
            "images",
            "Decodes, resizes and crops the same images again and again, by turns with decoding alone. Reports the times " +
            "of passes that nothing else disturbed (the fastest tenth).\n\n" +
            "Examples:\n  clipmoe bench images --json\n  clipmoe bench images --size 336 --threads 8 photos/*.jpg")
        {
            files, size, threads, seconds, json,
        };
        command.SetAction(parsed =>
        {
            var images = parsed.GetValue(files) is { Length: > 0 } paths ? paths.Select(Read).ToArray() : [MakePhoto()];
            var figures = Measure(images, parsed.GetValue(size), parsed.GetValue(threads), parsed.GetValue(seconds));
            BenchOptions.Print(figures, parsed.GetValue(json), f =>
                $"{f.Files} images to {f.Size} px, {f.Threads} threads: " +
                $"{f.ImagesPerSecondPerThread:F0} images/s per thread; " +
                $"{f.DecodeMilliseconds:F2} ms to decode one, {f.ResizeMilliseconds:F2} ms to resize and crop it");
            return ExitCodes.Success;
        });
        return command;
    }

    /// <param name="MeanPixels">Width × height of an image.</param>
    /// <param name="MeanBytes">Size of an image file.</param>
    /// <param name="DecodeMilliseconds">Of one image on one thread.</param>
    /// <param name="ResizeMilliseconds">What resizing and cropping adds to decoding.</param>
    private sealed record ImagesResult(
        int Files, double MeanPixels, double MeanBytes, int Size, int Threads,
        double ImagesPerSecondPerThread, double DecodeMilliseconds, double ResizeMilliseconds);

    private static ImagesResult Measure(byte[][] images, int size, int threads, double seconds)
    {
        var preprocessor = new ImagePreprocessor(size, ConversionOrder.AsIs);
        var pixels = images.Average(image => (double)ImageDecoder.Inspect(image).Width * ImageDecoder.Inspect(image).Height);
        var (whole, decode) = (new List<double>(), new List<double>());
        var workers = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            var chw = new byte[preprocessor.ResultLength];
            Pass(images, image => preprocessor.Process(image, chw));
            for (var clock = Stopwatch.StartNew(); whole.Count == 0 || clock.Elapsed.TotalSeconds < seconds;)
            {
                var (both, alone) = (Pass(images, image => preprocessor.Process(image, chw)), Pass(images,
                    image => ImageDecoder.Check(image)));
                lock (whole)
                {
                    whole.Add(both);
                    decode.Add(alone);
                }
            }
        })).ToList();
        workers.ForEach(w => w.Start());
        workers.ForEach(w => w.Join());
        var (perImage, decodePerImage) = (Undisturbed(whole) / images.Length, Undisturbed(decode) / images.Length);
        return new ImagesResult(images.Length, pixels, images.Average(image => image.Length), size, threads, 1 / perImage,
            1e3 * decodePerImage, 1e3 * (perImage - decodePerImage));
    }

    /// <summary>Of a pass that other processes did not interrupt.</summary>
    private static double Undisturbed(List<double> seconds) => seconds.Order().ElementAt(seconds.Count / 10);

    private static double Pass(byte[][] images, Action<byte[]> work)
    {
        var clock = Stopwatch.StartNew();
        foreach (var image in images) work(image);
        return clock.Elapsed.TotalSeconds;
    }

    private static byte[] Read(string path)
    {
        try
        {
            var file = File.ReadAllBytes(path);
            ImageDecoder.Check(file, path);
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The image {path} cannot be read: {e.Message.TrimEnd('.')}; give image files.", e);
        }
    }

    /// <summary>Clouds of color with a little grain: about as many bytes as a photo of this size has.</summary>
    private static byte[] MakePhoto()
    {
        var bands = Enumerable.Range(0, 3).Select(seed =>
        {
            using var clouds = Image.Perlin(MadeUpWidth, MadeUpHeight, cellSize: 48, seed: seed);
            using var grain = Image.Gaussnoise(MadeUpWidth, MadeUpHeight, sigma: 3, mean: 128, seed: seed);
            using var scaled = clouds * 120;
            using var sum = scaled + grain;
            return sum.Cast(Enums.BandFormat.Uchar);
        }).ToArray();
        using var photo = bands[0].Bandjoin(bands[1..]);
        using var colored = photo.Copy(interpretation: Enums.Interpretation.Srgb);
        var file = colored.JpegsaveBuffer(q: MadeUpQuality);
        foreach (var band in bands) band.Dispose();
        return file;
    }
}
