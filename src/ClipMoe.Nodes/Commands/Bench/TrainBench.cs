using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Native;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Sampling;
using ClipMoe.Model.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Nodes.Commands.Bench;

/// <summary><c>clipmoe bench train</c>: whole training steps of one worker on made-up pictures and captions.</summary>
internal static class TrainBench
{
    private const int Experts = 4, TopK = 2, ProductSize = 2048;

    public static Command Build()
    {
        var model = new Option<string>("--model") { Description = "Named architecture.", DefaultValueFactory = _ => "vit-b-32" };
        model.AcceptOnlyFromAmong([.. ClipConfig.Names]);
        var kind = new Option<string>("--kind")
        {
            Description = $"dense: FFNs train, as in the MCL stages; moe: {Experts} experts, top-{TopK} in all blocks, routers train; " +
                "all: a dense model trains whole.",
            DefaultValueFactory = _ => "dense",
        };
        kind.AcceptOnlyFromAmong("dense", "moe", "all");
        var batch = Positive("--batch", 16, "Pairs per step.");
        var leaves = Positive("--leaves", 1, "Micro-shards that the batch is cut into.");
        var context = Positive("--context", 248, "Text positions; above 77 the architecture has the Long-CLIP stretch.");
        var captionTokens = Positive("--caption-tokens", 248, "Tokens of a caption, start and end included; what is behind them is not computed.");
        var precision = new Option<string>("--precision") { Description = "fp32 or bf16.", DefaultValueFactory = _ => "bf16" };
        precision.AcceptOnlyFromAmong("fp32", "bf16");
        var device = new Option<string>("--device") { Description = $"{Devices.Forms}.", DefaultValueFactory = _ => "cpu" };
        var threads = Positive("--threads", Environment.ProcessorCount, "Compute threads.");
        var seconds = Positive("--seconds", 20, "Measures for at least so long.");
        var json = new Option<bool>("--json") { Description = "Prints one JSON object." };
        var command = new Command(
            "train",
            "Forward, loss, backward and AdamW, and in the same run the rate of a large matrix product on this machine.\n\n" +
            "Example:\n  clipmoe bench train --model vit-b-32 --kind moe --batch 16 --context 248 --caption-tokens 248 --precision bf16 --json")
        {
            model, kind, batch, leaves, context, captionTokens, precision, device, threads, seconds, json,
        };
        command.SetAction(parsed =>
        {
            var figures = Measure(new Setup(
                parsed.GetRequiredValue(model), parsed.GetRequiredValue(kind), parsed.GetValue(batch), parsed.GetValue(leaves),
                parsed.GetValue(context), Math.Min(parsed.GetValue(captionTokens), parsed.GetValue(context)),
                parsed.GetRequiredValue(precision), parsed.GetRequiredValue(device), parsed.GetValue(threads), parsed.GetValue(seconds)));
            Console.WriteLine(parsed.GetValue(json)
                ? JsonSerializer.Serialize(figures, new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower })
                : $"{figures.Model} {figures.Kind}, batch {figures.Batch}, {figures.Precision}, {figures.Threads} threads: " +
                    $"{figures.ImagesPerSecond:F2} images/s, {figures.Gflops:F0} GFLOP/s of {figures.ProductGflops:F0} in a matrix product " +
                    $"({figures.FractionOfProductRate:P0})");
            return ExitCodes.Success;
        });
        return command;
    }

    private sealed record Setup(
        string Model, string Kind, int Batch, int Leaves, int Context, int CaptionTokens, string Precision, string Device, int Threads, int Seconds);

    /// <param name="SecondsPerStep">Median.</param>
    /// <param name="ImagesPerSecond">From the median step.</param>
    /// <param name="GflopPerImage">10⁹ operations of the step's matrix products per pair, see <see cref="StepOperations"/>.</param>
    /// <param name="ProductGflops">Median rate of a product of two square matrices of <see cref="ProductSize"/>, before and after the steps.</param>
    private sealed record Figures(
        string Model, string Kind, int Batch, int Leaves, int Context, int CaptionTokens, string Precision, string Device, int Threads, int Steps,
        double SecondsPerStep, double ImagesPerSecond, double ForwardSeconds, double BackwardSeconds, double UpdateSeconds,
        double GflopPerImage, double Gflops, double ProductGflops, double FractionOfProductRate);

    private static Figures Measure(Setup setup)
    {
        Devices.UseThreads(setup.Threads);
        var device = Devices.Parse(setup.Device);
        var (config, locking) = Architecture(setup);
        var precision = setup.Precision == "bf16" ? Precision.Bf16 : Precision.Fp32;
        using var replica = new Replica(ParameterLayout.Of(config, locking), device, precision);
        replica.Initialize(1);
        var shards = Shards(setup, config);
        var settings = new StepSettings { Leaves = setup.Leaves, ExpertDropout = setup.Kind == "moe" ? 0.1 : 0 };

        var products = new List<double>();
        MeasureProducts(products, precision, device);
        Step(replica, settings, shards, 0);
        var times = new List<Times>();
        for (var clock = Stopwatch.StartNew(); clock.Elapsed.TotalSeconds < setup.Seconds || times.Count < 3;)
            times.Add(Step(replica, settings, shards, times.Count + 1));
        MeasureProducts(products, precision, device);

        var (step, product) = (Median(times.Select(t => t.Total)), Median(products));
        var operations = StepOperations.PerPair(config, locking, setup.CaptionTokens);
        var rate = operations * setup.Batch / step / 1e9;
        return new Figures(
            setup.Model, setup.Kind, setup.Batch, setup.Leaves, setup.Context, setup.CaptionTokens, setup.Precision, setup.Device, setup.Threads,
            times.Count, step, setup.Batch / step,
            Median(times.Select(t => t.Forward)), Median(times.Select(t => t.Backward)), Median(times.Select(t => t.Update)),
            operations / 1e9, rate, product, rate / product);
    }

    private static (ClipConfig, Locking) Architecture(Setup setup)
    {
        var named = ClipConfig.Named(setup.Model);
        var config = named with { ContextLength = setup.Context, StretchedPositions = setup.Context > named.ContextLength };
        return setup.Kind switch
        {
            "moe" => (config with { Moe = new MoeConfig(Experts, TopK, Math.Max(config.Vision.Layers, config.Text.Layers)) }, Locking.ExceptRouter),
            "all" => (config, Locking.None with { LearnTemperature = true }),
            _ => (config, Locking.ExceptFfn()),
        };
    }

    private sealed record Times(double Forward, double Backward, double Update)
    {
        public double Total => Forward + Backward + Update;
    }

    private static Times Step(Replica replica, StepSettings settings, List<MicroShard> shards, int number)
    {
        var clock = Stopwatch.StartNew();
        using var step = new TrainingStep(replica, settings, number);
        var normalisers = step.Normalise(step.Features(shards));
        var forward = clock.Elapsed.TotalSeconds;
        var gradients = step.Backward(normalisers, out _);
        var backward = clock.Elapsed.TotalSeconds;
        replica.Apply(gradients[0], 1e-6, new AdamWSettings(0.2));
        if (replica.Device.type == DeviceType.CUDA) cuda.synchronize();
        return new Times(forward, backward - forward, clock.Elapsed.TotalSeconds - backward);
    }

    private static List<MicroShard> Shards(Setup setup, ClipConfig config)
    {
        var random = RandomKey.Of(1);
        var pixels = 3 * config.ImageResolution * config.ImageResolution;
        return [.. Enumerable.Range(0, setup.Leaves).Select(leaf =>
        {
            var (from, to) = LeafPartition.Rows(leaf, setup.Batch, setup.Leaves);
            var images = new byte[(to - from) * pixels];
            for (var i = 0; i < images.Length; i++) images[i] = (byte)random.Bits((long)from * pixels + i);
            var tokens = new int[(to - from) * config.ContextLength];
            for (var row = from; row < to; row++)
            {
                var caption = tokens.AsSpan((row - from) * config.ContextLength, setup.CaptionTokens);
                for (var i = 0; i < caption.Length; i++) caption[i] = 1 + random.Derive(row).Below(i, config.VocabularySize - 3);
                (caption[0], caption[^1]) = (config.VocabularySize - 2, config.VocabularySize - 1);
            }

            return new MicroShard(leaf, to - from, images, tokens);
        })];
    }

    /// <summary>Adds rates in GFLOP/s, about a second's worth.</summary>
    private static void MeasureProducts(List<double> rates, Precision precision, Device device)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var type = precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;
        var (a, b) = (rand(ProductSize, ProductSize, device: device).to(type), rand(ProductSize, ProductSize, device: device).to(type));
        a.mm(b).Dispose();
        for (var total = Stopwatch.StartNew(); total.Elapsed.TotalSeconds < 1;)
        {
            var clock = Stopwatch.StartNew();
            a.mm(b).Dispose();
            if (device.type == DeviceType.CUDA) cuda.synchronize();
            rates.Add(2.0 * ProductSize * ProductSize * ProductSize / clock.Elapsed.TotalSeconds / 1e9);
        }
    }

    private static double Median(IEnumerable<double> values) => values.Order().ToList() is var sorted ? sorted[sorted.Count / 2] : 0;

    private static Option<int> Positive(string name, int value, string description)
    {
        var option = new Option<int>(name) { DefaultValueFactory = _ => value, Description = description };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1) result.AddError($"{name} must be at least 1.");
        });
        return option;
    }
}
