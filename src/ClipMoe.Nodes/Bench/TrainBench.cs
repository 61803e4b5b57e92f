using System.CommandLine;
using System.Diagnostics;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Native;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Training;
using ClipMoe.Nodes.CommandLine;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench train</c>: whole training steps of one worker on made-up pictures and captions.</summary>
internal static class TrainBench
{
    private const int Experts = 4, TopK = 2;
    private const string Fp32 = "fp32", Bf16 = "bf16";

    /// <summary>Slower steps are measured once: three would take too long.</summary>
    private const double SlowStepSeconds = 10;

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
        var batch = BenchOptions.AtLeast("--batch", 1, 16, "Pairs per step.");
        var leaves = BenchOptions.AtLeast("--leaves", 1, 1, "Micro-batches that the batch is divided into.");
        var context = BenchOptions.AtLeast("--context", 1, 248, "Text positions; above 77 the architecture has the Long-CLIP stretch.");
        var captionTokens = BenchOptions.AtLeast("--caption-tokens", 1, 248,
            "Tokens of a caption, start and end included; what is behind them is not computed.");
        var precision = new Option<string>("--precision")
        {
            Description = "fp32, or bf16 where the device is fast at it.",
            DefaultValueFactory = _ => Bf16
        };
        precision.AcceptOnlyFromAmong(Fp32, Bf16);
        var device = new Option<string>("--device") { Description = $"{Devices.Forms}.", DefaultValueFactory = _ => "cpu" };
        var threads = BenchOptions.AtLeast("--threads", 1, Environment.ProcessorCount, "Compute threads.");
        var seconds = BenchOptions.AtLeast("--seconds", 1, 20,
            "Minimum duration; at least three steps are measured, or one that takes over 10 s.");
        var json = BenchOptions.Json();
        var command = new Command(
            "train",
            "Forward, loss, backward and AdamW, and in the same run the rate of a large matrix product on this machine.\n\n" +
            "Example:\n  clipmoe bench train --model vit-b-32 --kind moe --batch 16 --context 248 --caption-tokens 248 --precision bf16 " +
            "--json")
        {
            model, kind, batch, leaves, context, captionTokens, precision, device, threads, seconds, json,
        };
        command.SetAction(parsed =>
        {
            var figures = Measure(new Setup(
                parsed.GetRequiredValue(model), parsed.GetRequiredValue(kind), parsed.GetValue(batch), parsed.GetValue(leaves),
                parsed.GetValue(context), Math.Min(parsed.GetValue(captionTokens), parsed.GetValue(context)),
                parsed.GetRequiredValue(precision), parsed.GetRequiredValue(device), parsed.GetValue(threads), parsed.GetValue(seconds)));
            BenchOptions.Print(figures, parsed.GetValue(json), f =>
                $"{f.Model} {f.Kind}, batch {f.Batch}, {f.Precision}, {f.Threads} threads: " +
                $"{f.ImagesPerSecond:F2} images/s, {f.Gflops:F0} GFLOP/s of {f.ProductGflops:F0} in a matrix product " +
                $"({f.FractionOfProductRate:P0})");
            return ExitCodes.Success;
        });
        return command;
    }

    private sealed record Setup(
        string Model, string Kind, int Batch, int Leaves, int Context, int CaptionTokens, string Precision, string Device, int Threads,
        int Seconds);

    /// <param name="SecondsPerStep">Median.</param>
    /// <param name="ImagesPerSecond">From the median step.</param>
    /// <param name="RequestedPrecision">As the command line says; computed in <paramref name="Precision"/>.</param>
    /// <param name="GflopPerImage">10⁹ operations of the step's matrix products per pair, see <see cref="StepOperations"/>.</param>
    /// <param name="ProductGflops">Median rate of a product of two square matrices of <paramref name="ProductSize"/>, before and after the
    /// steps.</param>
    private sealed record TrainResult(
        string Model, string Kind, int Batch, int Leaves, int Context, int CaptionTokens, string Precision, string RequestedPrecision,
        string Device, int Threads, int Steps, double SecondsPerStep, double ImagesPerSecond, double ForwardSeconds, double BackwardSeconds,
        double UpdateSeconds, double GflopPerImage, double Gflops, int ProductSize, double ProductGflops, double FractionOfProductRate);

    private static TrainResult Measure(Setup setup)
    {
        Devices.UseThreads(setup.Threads);
        var device = Devices.Parse(setup.Device);
        var (config, locking) = Architecture(setup);
        var precision = PrecisionOf(setup, device);
        using var replica = new Replica(ParameterLayout.Create(config, locking), device, precision);
        replica.Initialize(1);
        var microBatches = MicroBatches(setup, config);
        var settings = new StepSettings { Leaves = setup.Leaves, ExpertDropout = setup.Kind == "moe" ? 0.1 : 0 };

        var products = new ProductRate(precision, device);
        products.Measure();
        var fewest = Step(replica, settings, microBatches, 0).Total > SlowStepSeconds ? 1 : 3;
        var times = new List<Times>();
        for (var clock = Stopwatch.StartNew(); clock.Elapsed.TotalSeconds < setup.Seconds || times.Count < fewest;)
            times.Add(Step(replica, settings, microBatches, times.Count + 1));
        products.Measure();

        var (step, product) = (Median(times.Select(t => t.Total)), products.MedianGflops);
        var operations = StepOperations.PerPair(config, locking, setup.CaptionTokens);
        var rate = operations * setup.Batch / step / 1e9;
        return new TrainResult(
            setup.Model, setup.Kind, setup.Batch, setup.Leaves, setup.Context, setup.CaptionTokens,
            precision == Precision.Bf16 ? Bf16 : Fp32, setup.Precision, setup.Device, setup.Threads, times.Count, step, setup.Batch / step,
            Median(times.Select(t => t.Forward)), Median(times.Select(t => t.Backward)), Median(times.Select(t => t.Update)),
            operations / 1e9, rate, products.Size, product, rate / product);
    }

    /// <summary>
    /// A processor without instructions for bf16 computes in it hundreds of times slower: no training would use it, and the bench would
    /// not end.
    /// </summary>
    private static Precision PrecisionOf(Setup setup, Device device)
    {
        if (setup.Precision == Fp32) return Precision.Fp32;
        if (Precisions.IsBf16Fast(device)) return Precision.Bf16;
        Console.Error.WriteLine("clipmoe: this processor has no fast bf16 (AVX512_BF16 or AMX), so fp32 is measured.");
        return Precision.Fp32;
    }

    private static (ClipConfig, TrainableParameters) Architecture(Setup setup)
    {
        var named = ClipConfig.Named(setup.Model);
        var config = named with { ContextLength = setup.Context, StretchedPositions = setup.Context > named.ContextLength };
        return setup.Kind switch
        {
            "moe" => (config with { Moe = new MoeConfig(Experts, TopK, Math.Max(config.Vision.Layers, config.Text.Layers)) },
                TrainableParameters.RouterOnly),
            "all" => (config, TrainableParameters.All with { LearnLogits = true }),
            _ => (config, TrainableParameters.FfnOnly()),
        };
    }

    private sealed record Times(double Forward, double Backward, double Update)
    {
        public double Total => Forward + Backward + Update;
    }

    private static Times Step(Replica replica, StepSettings settings, List<MicroBatch> microBatches, int number)
    {
        var clock = Stopwatch.StartNew();
        using var step = new TrainingStep(replica, settings, number);
        step.BeginLoss(step.Features(microBatches));
        for (var round = 0; round < step.Rounds; round++) step.Receive(step.Publish());
        var forward = clock.Elapsed.TotalSeconds;
        var gradients = step.Backward(out _);
        var backward = clock.Elapsed.TotalSeconds;
        replica.Apply(gradients[0], 1e-6, new AdamWSettings(0.2));
        if (replica.Device.type == DeviceType.CUDA) cuda.synchronize();
        return new Times(forward, backward - forward, clock.Elapsed.TotalSeconds - backward);
    }

    private static List<MicroBatch> MicroBatches(Setup setup, ClipConfig config)
    {
        var random = RandomKey.FromSeed(1);
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

            return new MicroBatch(leaf, to - from, images, tokens);
        })];
    }

    private static double Median(IEnumerable<double> values) => values.Order().ToList() is var sorted ? sorted[sorted.Count / 2] : 0;
}
