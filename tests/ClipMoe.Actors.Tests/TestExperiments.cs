using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Tests;

internal static class TestExperiments
{
    /// <summary>Two MCL stages and all comparisons, a few steps each.</summary>
    public static Experiment Small { get; } = new()
    {
        Name = "small",
        Seed = 1,
        Data = new DataSettings { BenchmarkTrain = 96, BenchmarkTest = 32 },
        Model = new ModelSettings { Name = "tiny", Precision = ComputePrecision.Fp32 },
        Base = new BaseSettings { Steps = 6, WarmupSteps = 2 },
        Batch = new BatchSettings { Size = 12, Leaves = 4 },
        Mcl = new MclSettings { Stages = 2, Clusters = 2, Steps = 4, WarmupSteps = 1, LearningRate = 1e-3 },
        Moe = new MoeSettings { Experts = 3 },
        Router = new RouterSettings { Steps = 3, WarmupSteps = 1, LearningRate = 1e-3 },
        Evaluation = new EvaluationSettings { Compare = [Comparison.Direct, Comparison.HardBatch, Comparison.Upcycle] },
        Checkpoints = new CheckpointSettings { EverySteps = 2 },
    };
}
