using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Datasets.Scenes;

namespace ClipMoe.Nodes.Options;

/// <summary>What must hold between the settings of an experiment.</summary>
internal static class ExperimentRules
{
    /// <param name="Keys">Keys that take part; the first is the one that the text speaks of.</param>
    /// <param name="Missing">Nothing is wrong, something is still to be given.</param>
    public sealed record Violation(IReadOnlyList<string> Keys, string Text, bool Missing = false);

    public static IEnumerable<Violation> Violations(Experiment e) => Data(e).Concat(Stages(e)).Concat(Experts(e));

    private static IEnumerable<Violation> Data(Experiment e)
    {
        var (data, model) = (e.Data, e.Model);
        if (data.Path is null && data.BenchmarkTrain == 0)
            yield return new(["data.path", "data.benchmark_train"],
                "no data is given; set it, or ask for the embedded benchmark with data.benchmark_train.", Missing: true);
        if (data is { Path: null, BenchmarkTrain: > 0, BenchmarkTest: 0 })
            yield return new(["data.benchmark_test"], "found 0; without test samples nothing can be measured.");
        if (data.Path is null && (long)data.BenchmarkTrain + data.BenchmarkTest > SceneFactors.Combinations)
            yield return new(
                ["data.benchmark_train", "data.benchmark_test"],
                $"the embedded benchmark has {SceneFactors.Combinations} different scenes, fewer than train and test together.");
        if (data is { Path: null, ImageRoot: not null })
            yield return new(["data.image_root", "data.path"], "it says where the images of data.path lie, but data.path is not given.");
        if (data.Path is null && (data.PathColumn ?? data.CaptionColumn) is not null)
            yield return new(
                [data.PathColumn is null ? "data.caption_column" : "data.path_column", "data.path"],
                "it names a column of the CSV or Parquet file data.path, but data.path is not given.");
        if (data.TestSplit >= 1 && data.TestSplit != Math.Floor(data.TestSplit))
            yield return new(["data.test_split"], $"found {data.TestSplit}; allowed is a fraction below 1 or a whole number of samples.");
        if (model.Checkpoint is null && e.Base.Steps == 0)
            yield return new(
                ["model.checkpoint", "base.steps"],
                "no dense CLIP is given; set it, or have one trained from scratch with base.steps.", Missing: true);
        if (model.Checkpoint is not null && data.Vocabulary is null)
            yield return new(
                ["data.vocabulary", "model.checkpoint"],
                "it is not given; a checkpoint needs the vocabulary that it was trained with (OpenAI's: bpe_simple_vocab_16e6.txt.gz).",
                Missing: true);
    }

    private static IEnumerable<Violation> Stages(Experiment e)
    {
        if (e.Batch.Leaves > e.Batch.Size)
            yield return new(["batch.leaves", "batch.size"],
                $"found {e.Batch.Leaves}; allowed are at most as many leaves as batch.size, {e.Batch.Size}.");
        if (Math.Pow(e.Mcl.Clusters, 2.0 * e.Mcl.Stages) >= long.MaxValue)
            yield return new(
                ["mcl.stages", "mcl.clusters"],
                $"{e.Mcl.Stages} stages of {e.Mcl.Clusters}² clusters give more accumulated labels than 64 bits hold; use fewer of " +
                $"either.");

        if (e.Mcl.Steps is null != e.Router.Steps is null && (e.Evaluation.Compare.Count > 0 || e.Moe.Init == MoeInit.Upcycle))
            yield return new(
                ["mcl.steps", "router.steps"],
                "one is given and the other is not; what is compared trains for equal total steps, so give both, or neither and epochs " +
                "instead.");

        (string Section, int? Steps, int Warmup, double Rate)[] trainings =
        [
            ("base", e.Model.Checkpoint is null ? e.Base.Steps : null, e.Base.WarmupSteps, e.Base.LearningRate),
            ("mcl", e.Mcl.Steps, e.Mcl.WarmupSteps, e.Mcl.LearningRate),
            ("router", e.Router.Steps, e.Router.WarmupSteps, e.Router.LearningRate),
        ];
        foreach (var (section, steps, warmup, rate) in trainings)
        {
            if (steps > 0 && warmup >= steps)
                yield return new(
                    [$"{section}.warmup_steps", $"{section}.steps"], $"found {warmup}; allowed are fewer than {section}.steps, {steps}.");
            if (rate == 0)
                yield return new([$"{section}.learning_rate"], "found 0; with that nothing is learned.");
        }
    }

    private static IEnumerable<Violation> Experts(Experiment e)
    {
        var (moe, stages) = (e.Moe, e.Mcl.Stages);
        if (moe.TopK > moe.Experts)
            yield return new(["moe.top_k", "moe.experts"], $"found {moe.TopK}; allowed are at most as many as moe.experts, {moe.Experts}.");
        if (moe.Init == MoeInit.Mcl && moe.Experts != stages + 1)
            yield return new(
                ["moe.experts", "mcl.stages", "moe.init"],
                $"found {moe.Experts}; with init: mcl the base and each of the {stages} stages (mcl.stages) give one expert, so it must " +
                $"be {stages + 1}.");
        if (moe.Init == MoeInit.Mcl && stages == 0)
            yield return new(["mcl.stages", "moe.init"], "found 0; init: mcl needs at least one stage.");
        if (e.Evaluation.Compare.Contains(Comparison.HardBatch) && stages == 0)
            yield return new(["evaluation.compare", "mcl.stages"], "hard_batch needs the clusters of at least one stage (mcl.stages).");
        if (e.Router.ExpertDropout >= 1)
            yield return new(["router.expert_dropout"], "found 1; that would drop everything, allowed is a fraction below 1.");
    }
}
