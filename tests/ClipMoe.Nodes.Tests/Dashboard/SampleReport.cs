using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Datasets.Scenes;
using ClipMoe.Model.Images;
using ClipMoe.Model.Metrics;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Dashboard;

/// <summary>A report as a run of the demo would leave it, with numbers made up.</summary>
internal static class SampleReport
{
    public static RunReport Make(params IReadOnlyList<ulong> seeds)
    {
        var experiment = ExperimentFile.Load(null, []);
        var random = new Random(7);
        var report = new RunReport
        {
            Experiment = new ReportExperiment("demo", 0, ExperimentHash.Compute(experiment), ExperimentYaml.Write(experiment)),
            WeightsSha256 = new string('a', 64),
            Checkpoint = "stages/routers/model.safetensors",
            Seconds = 301.5,
            Model = ClipConfig.Named("scenes") with { Moe = new MoeConfig(4, 2, 4) },
            Environment = new ReportEnvironment
            {
                ClipMoe = "1.0.0",
                DotNet = "10.0.1",
                LibTorch = "2.10.0",
                System = "Debian GNU/Linux 12",
                Processor = "Some processor",
                Device = "cpu",
                Precision = "bf16",
                Workers = 2,
                ThreadsPerWorker = 1,
            },
            Data = new ReportData("embedded benchmark", "0123456789abcdef", 8000, 1000, null),
            BadSamples = 0,
            ImagesPerSecond = 1843,
            Stages = Stages(random),
            Evaluations = Evaluations(seed: 0),
            Attributes = Probes(random),
            ExpertLoads = [.. from tower in (string[])["image", "text"] from layer in Enumerable.Range(0, 4) select Load(tower, layer,
                random)],
            Examples = Examples(),
            Comparison = MethodComparison.Create(
                [.. (seeds.Count == 0 ? [0UL] : seeds).Select(s => (s, Evaluations(s)))],
                ["moe", "direct", "hard_batch", "upcycle"],
                new Dictionary<string, int> { ["moe"] = 900, ["direct"] = 900, ["hard_batch"] = 900, ["upcycle"] = 900 }),
        };
        return report with { Notes = ComparisonVerdict.Sentences(report.Comparison!) };
    }

    /// <summary>The table of the feasibility study, with directions a little apart.</summary>
    private static IReadOnlyList<RetrievalScores> Evaluations(ulong seed)
    {
        (string Model, double[] R1)[] study =
        [
            ("base", [60.5, 39.2, 29.6]), ("mcl-1", [61.0, 39.0, 29.9]), ("mcl-2", [60.1, 39.3, 30.2]), ("mcl-3", [60.9, 40.1, 29.8]),
            ("moe", [63.2, 41.2, 31.2]), ("direct", [62.9, 40.8, 32.5]), ("hard_batch", [65.7, 42.7, 32.9]),
            ("upcycle", [63.5, 39.1, 31.3]),
        ];
        return
        [
            .. study.Select(s => s.R1[seed % 3]).Select((r, i) => new RetrievalScores(
                study[i].Model, "test", "1,000 images × 1 caption each", 1000, 1000, r - 0.4, r + 22.1, r + 30.2, r + 0.4, r + 21.3,
                r + 29.4)),
        ];
    }

    private static List<StageReport> Stages(Random random)
    {
        var stages = new List<StageReport>
        {
            new("data", "data", 2.1),
            Training("base", 3000, 78.2, 2.9, 0.31, random),
        };
        for (var s = 1; s <= 3; s++)
        {
            stages.Add(new StageReport($"extract-{s}", "extract", 6.4));
            stages.Add(new StageReport($"cluster-{s}", "cluster", 0.6)
            {
                ClusterSizes = [.. Enumerable.Range(0, (int)Math.Pow(9, s)).Select(i => (int)(4000 / Math.Pow(i + 1, 1.2)))
                    .Where(n => n > 0)],
            });
            stages.Add(Training($"mcl-{s}", 250, 5.9, 1.9, 1.2, random));
        }
        stages.Add(new StageReport("assemble", "assemble", 0.2));
        stages.Add(Training("routers", 150, 4.4, 0.36, 0.33, random));
        stages.Add(Training("direct", 900, 21.4, 0.34, 0.28, random));
        stages.Add(Training("hard_batch", 900, 21.9, 1.9, 0.9, random));
        stages.Add(new StageReport("upcycle-assemble", "assemble", 0.2));
        stages.Add(Training("upcycle", 900, 31.0, 0.36, 0.29, random));
        stages.Add(new StageReport("evaluate", "evaluate", 19.0));
        return stages;
    }

    private static StageReport Training(string name, int steps, double seconds, double from, double to, Random random)
    {
        var losses = Enumerable.Range(0, steps)
            .Select(s => new LossSample(s, to + (from - to) * Math.Exp(-5.0 * s / steps) + 0.12 * (random.NextDouble() - 0.5))).ToList();
        return new StageReport(name, "train", seconds)
        {
            Steps = steps,
            FinalLoss = losses[^1].Loss,
            ImagesPerSecond = steps * 32 / seconds,
            Losses = losses,
            Metrics = Metrics(name, steps),
        };
    }

    private static List<MetricSeries> Metrics(string stage, int steps)
    {
        var metrics = new List<MetricSeries>
        {
            Value("gradient_norm", MetricKind.Norm, "", 0.7),
            Value("time/data_wait", MetricKind.Mean, "s", 0.004),
            Value("time/data_wait/slowest", MetricKind.Max, "s", 1.5),
        };
        if (stage == "routers")
            metrics.Add(new MetricSeries(
                new MetricSummary("router/text/layer.1/load", MetricKind.Histogram, "choices", steps) { Counts = [300, 100, 0] }, []));
        return metrics;

        MetricSeries Value(string name, MetricKind kind, string unit, double mean) => new(
            new MetricSummary(name, kind, unit, steps)
            {
                Mean = mean,
                Lowest = mean / 2,
                Highest = 2 * mean,
                Last = mean,
                Headline = kind != MetricKind.Max,
            },
            [.. Enumerable.Range(1, 5).Select(i => new MetricPoint(steps * i / 5, mean * i))]);
    }

    private static AttributeProbes Probes(Random random) => new(
        [.. SceneFactors.Attributes.Select(a => new ProbedAttribute(a.Name, a.Values.Count, 100.0 / a.Values.Count))],
        [
            .. ((string[])["base", "mcl-1", "mcl-2", "mcl-3", "moe", "direct", "hard_batch", "upcycle"]).Select(m => new ProbeRow(
                m, [.. SceneFactors.Attributes.Select((a, i) => Math.Min(100, 100.0 / a.Values.Count + 15 * i * random.NextDouble()))])),
        ]);

    private static ExpertLoad Load(string tower, int layer, Random random)
    {
        var weights = Enumerable.Range(0, 4).Select(_ => 0.3 + random.NextDouble()).ToList();
        return new ExpertLoad("moe", tower, layer, [.. weights.Select(w => w / weights.Sum())]);
    }

    private static List<RetrievalExample> Examples()
    {
        var scenes = SceneBenchmark.Enumerate(new SceneSettings(1, 0, 40, 3)).ToList();
        return
        [
            .. Enumerable.Range(0, 6).Select(q => new RetrievalExample(
                "moe", q % 2 == 0 ? "text_to_image" : "image_to_text", scenes[q].Caption, Png(scenes[q]), q % 3 == 1 ? 7 : 1 + q % 3,
                [
                    .. Enumerable.Range(0, 5).Select(r => r == q % 3 && q % 3 != 1 ? scenes[q] : scenes[6 + 5 * q + r]).Select((s, r) =>
                        new RetrievedItem(s.Caption, Png(s), 0.9 - 0.07 * r, s == scenes[q])),
                ])),
        ];
    }

    private static byte[] Png(SceneBenchmark.Scene scene) => PngEncoder.Encode(scene.Rgb, 32, 32);
}
