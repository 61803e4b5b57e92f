using System.Text.Json;
using System.Text.RegularExpressions;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Sampling;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Sampling;

[Trait("Category", "Parity")]
public sealed partial class SamplingParityTests
{
    private const string LabelsFile = "mcl_labels.safetensors", SamplerFile = "mcl_sampler.json";

    [FixtureFact(LabelsFile, SamplerFile)]
    public void Drop_yields_the_batches_of_the_reference_sampler()
    {
        using var tensors = TensorFile.Open(Fixtures.Path(LabelsFile));
        var expected = Sampler();
        var clusters = expected.GetProperty("clusters").GetInt32();
        var accumulated = tensors.ReadIntegers("mcl_pseudo_labels_stage_input");
        Assert.Equal(expected.GetProperty("samples").GetInt32(), accumulated.Length);
        // The sampler does not look into labels: one stage with as many clusters per modality holds them all.
        var labels = PseudoLabels.FromAccumulated(accumulated, clusters, stages: 1);

        foreach (var world in expected.GetProperty("worlds").EnumerateObject())
        {
            var ranks = world.Value.GetProperty("ranks").EnumerateArray().ToList();
            Assert.Equal($"world{ranks.Count}", world.Name);
            var globalBatch = expected.GetProperty("batch_size").GetInt32() * ranks.Count;
            var order = EpochOrder.ClusterPure(seed: 1, stage: 1, labels, globalBatch, Leftovers.Drop);
            Assert.Equal(world.Value.GetProperty("indices_used").GetInt32(), order.SamplesPerEpoch);
            var clusterOfEach = Enumerable.Range(0, order.BatchesPerEpoch).Select(b => (int)order.ClusterOf(epoch: 0, b)!.Value).ToList();
            foreach (var rank in ranks)
            {
                Assert.Equal(rank.GetProperty("len").GetInt32(), order.BatchesPerEpoch);
                Assert.Equal(rank.GetProperty("cluster_of_each_batch").EnumerateArray().Select(c => c.GetInt32()), clusterOfEach);
            }

            var batches = Enumerable.Range(0, order.BatchesPerEpoch).Select(b => order.Batch(epoch: 0, b)).ToList();
            Assert.Equal(order.SamplesPerEpoch, batches.SelectMany(b => b).Distinct().Count());
            foreach (var (batch, cluster) in batches.Zip(clusterOfEach)) Assert.All(batch, s => Assert.Equal(cluster, labels[s]));
        }
    }

    [FixtureFact(LabelsFile, SamplerFile)]
    public void Labels_of_later_stages_give_the_lengths_of_the_reference_sampler()
    {
        using var tensors = TensorFile.Open(Fixtures.Path(LabelsFile));
        var cases = Sampler().EnumerateObject().Select(p => (p.Value, Match: LaterStage().Match(p.Name))).Where(c => c.Match.Success)
            .ToList();
        Assert.NotEmpty(cases);
        foreach (var (expected, match) in cases)
        {
            var (stage, world, batch) = (match.Groups[1].Value, int.Parse(match.Groups[2].Value), int.Parse(match.Groups[3].Value));
            var labels = PseudoLabels.FromAccumulated(
                tensors.ReadIntegers($"stage{stage}_pseudo_labels"), expected.GetProperty("cluster_num").GetInt32(), stages: 1);
            var order = EpochOrder.ClusterPure(seed: 1, stage: 1, labels, batch * world, Leftovers.Drop);
            Assert.Equal(expected.GetProperty("len").GetInt32(), order.BatchesPerEpoch);
            Assert.Equal(expected.GetProperty("yielded").GetInt32(), order.BatchesPerEpoch);
        }
    }

    [FixtureFact(LabelsFile, SamplerFile)]
    public void Labels_accumulate_as_in_the_reference()
    {
        using var tensors = TensorFile.Open(Fixtures.Path(LabelsFile));
        var stages = Sampler().GetProperty("accumulation").EnumerateArray().ToList();
        var k = ClustersPerModality(tensors);
        var samples = tensors.ReadIntegers("stage0_cluster_labels").Length;
        var labels = PseudoLabels.None(samples, k);
        for (var stage = 0; stage < stages.Count; stage++)
        {
            labels = labels.Accumulate(Ints(tensors, $"stage{stage}_cluster_labels"));
            Assert.Equal(tensors.ReadIntegers($"stage{stage}_pseudo_labels"), Enumerable.Range(0, samples).Select(i => labels[i]));
            Assert.Equal(stages[stage].GetProperty("unique").GetInt32(), labels.Labels.Count);
            Assert.Equal(stages[stage].GetProperty("max").GetInt64(), labels.Labels[^1]);
            Assert.Equal(stages[stage].GetProperty("unique_values_first10").EnumerateArray().Select(v => v.GetInt64()),
                labels.Labels.Take(10));
            Assert.Equal(stages[stage].GetProperty("counts_first10").EnumerateArray().Select(v => v.GetInt32()), labels.Sizes.Take(10));
        }
    }

    [FixtureFact(LabelsFile)]
    public void Joint_clusters_are_those_of_the_reference()
    {
        using var tensors = TensorFile.Open(Fixtures.Path(LabelsFile));
        var joint = PseudoLabels.Joint(Ints(tensors, "example_text_labels"), Ints(tensors, "example_image_labels"),
            ClustersPerModality(tensors));
        Assert.Equal(Ints(tensors, "example_joint_labels"), joint);
    }

    /// <summary>The files do not name k: it is what the example multiplies a text cluster by.</summary>
    private static int ClustersPerModality(ITensorFile tensors)
    {
        var (text, image) = (Ints(tensors, "example_text_labels"), Ints(tensors, "example_image_labels"));
        var row = Array.FindIndex(text, t => t > 0);
        return (Ints(tensors, "example_joint_labels")[row] - image[row]) / text[row];
    }

    private static int[] Ints(ITensorFile tensors, string name) => [.. tensors.ReadIntegers(name).Select(v => checked((int)v))];

    private static JsonElement Sampler() => JsonDocument.Parse(File.ReadAllBytes(Fixtures.Path(SamplerFile))).RootElement;

    [GeneratedRegex(@"^stage(\d+)_labels_world(\d+)_batch(\d+)$")]
    private static partial Regex LaterStage();
}
