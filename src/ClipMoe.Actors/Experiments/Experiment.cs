using System.Text.Json.Serialization;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Experiments;

/// <summary>
/// Everything that decides the weights of a run. Two equal experiments on the same data give bitwise the same checkpoint; where and on how
/// many workers they run is no part of it.
/// </summary>
public sealed record Experiment
{
    public required string Name { get; init; }
    public required ulong Seed { get; init; }
    public required DataSettings Data { get; init; }
    public required ModelSettings Model { get; init; }
    public required BaseSettings Base { get; init; }
    public required BatchSettings Batch { get; init; }
    /// <summary>Of all training stages. Experiments from before there was a choice lack it.</summary>
    public TrainingSettings Training { get; init; } = new();
    public required MclSettings Mcl { get; init; }
    public required MoeSettings Moe { get; init; }
    public required RouterSettings Router { get; init; }
    public required EvaluationSettings Evaluation { get; init; }
    public required CheckpointSettings Checkpoints { get; init; }
    public LoggingSettings Logging { get; init; } = new();
}

/// <summary>What is trained on. <c>Path</c> null: the embedded benchmark, made in the output folder.</summary>
public sealed record DataSettings
{
    public string? Path { get; init; }
    public DatasetFormat Format { get; init; } = DatasetFormat.Auto;
    /// <summary>Root of the image paths in a JSON, CSV or Parquet file; default: the file's own folder.</summary>
    public string? ImageRoot { get; init; }
    /// <summary>Column of a CSV or Parquet file with the images' paths; null: told by its name.</summary>
    public string? PathColumn { get; init; }
    /// <summary>Column of a CSV or Parquet file with the captions; null: told by its name.</summary>
    public string? CaptionColumn { get; init; }
    /// <summary>Default: <c>as-is</c> for ShareGPT4V JSON, <c>rgb-first</c> otherwise, as in the reference.</summary>
    public ImageConversion Conversion { get; init; } = ImageConversion.Auto;
    /// <summary>Fraction of unreadable samples above which the run stops.</summary>
    public double MaxBadFraction { get; init; } = 0.01;
    /// <summary>Samples held out for the test split (a seeded choice), absolute (≥ 1) or as a fraction (&lt; 1).</summary>
    public double TestSplit { get; init; } = 0.1;
    /// <summary>
    /// Vocabulary file (<c>bpe_simple_vocab_16e6.txt.gz</c>, or a folder with <c>vocab.json</c> and <c>merges.txt</c>); null: learned from
    /// the captions.
    /// </summary>
    public string? Vocabulary { get; init; }
    /// <summary>Size of the vocabulary learned when none is given.</summary>
    public int VocabularySize { get; init; } = 1024;
    /// <summary>Trains on the short caption (first sentence) too.</summary>
    public bool ShortText { get; init; }
    /// <summary>Sizes of the embedded benchmark, when <see cref="Path"/> is null.</summary>
    public int BenchmarkTrain { get; init; } = 8000;
    public int BenchmarkTest { get; init; } = 1000;
}

public enum ImageConversion
{
    Auto,
    [JsonStringEnumMemberName("rgb-first")] RgbFirst,
    [JsonStringEnumMemberName("as-is")] AsIs,
}

/// <summary>The dense CLIP. With <c>Checkpoint</c> its architecture comes from the file, otherwise from <c>Name</c>.</summary>
public sealed record ModelSettings
{
    public string? Checkpoint { get; init; }
    /// <summary>vit-b-32, vit-b-16, vit-l-14, vit-l-14-336, tiny, scenes: see <c>ClipConfig.Named</c>.</summary>
    public string Name { get; init; } = "scenes";
    /// <summary>Text positions after the Long-CLIP stretch; null: as in the checkpoint or the named configuration.</summary>
    public int? ContextLength { get; init; }
    /// <summary>Rounds Linear, Conv, projection, expert and gate weights to fp16 at every load, as the reference does.</summary>
    public bool RoundToHalf { get; init; }
    public ComputePrecision Precision { get; init; } = ComputePrecision.Auto;
}

public enum ComputePrecision { Auto, Fp32, Bf16 }

/// <summary>Training of the dense base from scratch; skipped when <see cref="ModelSettings.Checkpoint"/> is given.</summary>
public sealed record BaseSettings
{
    public int Steps { get; init; } = 3000;
    public double LearningRate { get; init; } = 3e-3;
    public double WeightDecay { get; init; } = 0.1;
    public int WarmupSteps { get; init; } = 200;
}

/// <summary>
/// The global batch and the fixed micro-shards (leaves) it is cut into; the result depends on both, and on no number of workers.
/// </summary>
public sealed record BatchSettings
{
    public int Size { get; init; } = 32;
    public int Leaves { get; init; } = 8;
    /// <summary>Number format in which the gradients of leaves are summed and travel; bf16 is half the bytes on the network.</summary>
    public GradientFormat Gradients { get; init; } = GradientFormat.Fp32;
}

/// <summary>What holds for every training stage.</summary>
public sealed record TrainingSettings
{
    public LossKind Loss { get; init; } = LossKind.InfoNce;
}

/// <summary>Multistage contrastive learning (MCL): clusters, pseudo labels, FFN training from the base.</summary>
public sealed record MclSettings
{
    public int Stages { get; init; } = 3;
    /// <summary>k per modality; a stage has k² joint clusters.</summary>
    public int Clusters { get; init; } = 3;
    /// <summary>Steps of one stage; null: <see cref="Epochs"/> decides.</summary>
    public int? Steps { get; init; }
    public int Epochs { get; init; } = 1;
    public double LearningRate { get; init; } = 1e-5;
    public double WeightDecay { get; init; } = 0.2;
    public int WarmupSteps { get; init; } = 200;
    public Leftovers Leftovers { get; init; } = Leftovers.Merge;
    /// <summary>In which order an epoch visits the batches of its clusters.</summary>
    public BatchSchedule Schedule { get; init; } = BatchSchedule.RoundRobin;
    [JsonPropertyName("kmeans_iterations")]
    public int KMeansIterations { get; init; } = 50;
    [JsonPropertyName("kmeans_restarts")]
    public int KMeansRestarts { get; init; } = 5;
}

/// <summary>The mixture of experts. The number of experts is <c>Mcl.Stages + 1</c> for <c>init: mcl</c>.</summary>
public sealed record MoeSettings
{
    public MoeInit Init { get; init; } = MoeInit.Mcl;
    public int Experts { get; init; } = 4;
    public int TopK { get; init; } = 2;
    /// <summary>The last so many blocks of each tower become MoE blocks; null: all of them.</summary>
    public int? Layers { get; init; }
}

public enum MoeInit { Mcl, Upcycle }

/// <summary>Router tuning after assembly.</summary>
public sealed record RouterSettings
{
    /// <summary>What is trained in it; the paper's rule is <see cref="RouterTraining.Routers"/>.</summary>
    public RouterTraining Trains { get; init; } = RouterTraining.Routers;
    public int? Steps { get; init; }
    public int Epochs { get; init; } = 1;
    public double LearningRate { get; init; } = 1e-6;
    public double WeightDecay { get; init; } = 1e-2;
    public int WarmupSteps { get; init; } = 200;
    public double ExpertDropout { get; init; } = 0.1;
    public double LossWeight { get; init; } = 0.01;
    /// <summary>Of the router z-loss (ST-MoE); 0 for none.</summary>
    public double ZLossWeight { get; init; }
    public RouterLossTokens LossTokens { get; init; } = RouterLossTokens.Valid;
}

public enum RouterTraining
{
    /// <summary>The routers; experts stay as they were assembled.</summary>
    Routers,
    /// <summary>The experts as well, so that they are fitted to each other and to what the routers send them.</summary>
    Experts,
}

/// <summary>What the report compares. Each comparison trains for as many steps in total as the MoE did.</summary>
public sealed record EvaluationSettings
{
    public IReadOnlyList<Comparison> Compare { get; init; } = [];
    public double CompareLearningRate { get; init; } = 5e-3;
    public bool LinearProbe { get; init; } = true;
}

public enum Comparison { Direct, HardBatch, Upcycle }

/// <summary>When a training stage writes its state to disk (always at its end and at Ctrl-C).</summary>
public sealed record CheckpointSettings
{
    public int EverySteps { get; init; } = 500;
    public int Keep { get; init; } = 2;
}

/// <summary>What is told about training; the weights do not depend on it.</summary>
public sealed record LoggingSettings
{
    public MeasuredMetrics Metrics { get; init; } = MeasuredMetrics.All;
}
