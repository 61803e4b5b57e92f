using System.Text.Json;
using System.Text.RegularExpressions;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clustering;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Clustering;

[Trait("Category", "Parity")]
public sealed partial class KMeansParityTests
{
    private const string FeaturesFile = "clustering.safetensors", ExpectedFile = "clustering.json";

    [FixtureFact(FeaturesFile, ExpectedFile)]
    public void Inertia_is_in_the_better_half_of_the_references_runs()
    {
        foreach (var (name, features, dimension, k, expected) in Cases())
        {
            var shard = new KMeansShard(features, dimension, firstRow: 0);
            var reference = Numbers(expected, "kmeans_single_inits").Concat(Numbers(expected, "minibatch_notebook_inertia_by_seed")).Order()
                .ToList();
            var (best, median) = (Math.Min(reference[0], expected.GetProperty("kmeans_n_init10_inertia").GetDouble()),
                reference[reference.Count / 2]);
            for (var seed = 0UL; seed < 3; seed++)
            {
                var inertia = KMeans.Fit(RandomKey.FromSeed(seed), [shard], new KMeansSettings { Clusters = k }, threads: 2).Inertia;
                Assert.True(inertia <= median * (1 + 1e-4),
                    $"{name}, seed {seed}: inertia {inertia} is worse than the reference's median, {median}");
                // Only a wrong distance could be much better than the best of all their runs.
                Assert.True(inertia >= best * 0.95, $"{name}, seed {seed}: inertia {inertia} is below the reference's best, {best}");
            }
        }
    }

    [FixtureFact(FeaturesFile, ExpectedFile)]
    public void The_references_own_centres_give_its_labels_and_inertia()
    {
        using var tensors = TensorFile.Open(Fixtures.Path(FeaturesFile));
        foreach (var (name, features, dimension, _, expected) in Cases())
        {
            var shard = new KMeansShard(features, dimension, firstRow: 0);
            var centroids = new Centroids(tensors.ReadFloats($"{name}_kmeans_centers"), dimension);
            var total = KMeansStep.Total(shard.Accumulate(centroids, threads: 1), shard.Rows);
            var inertia = expected.GetProperty("kmeans_n_init10_inertia").GetDouble();
            Assert.Equal(inertia, total.Inertia, tolerance: 1e-4 * inertia);

            // Rows on a border may fall to either side, since the stored centers are the means of the labels, one rounding later.
            var labels = tensors.ReadIntegers($"{name}_kmeans_labels");
            var differing = shard.Assign(centroids, threads: 1).Zip(labels).Count(pair => pair.First != pair.Second);
            Assert.InRange(differing, 0, Math.Max(3, shard.Rows / 200));
        }
    }

    private static IEnumerable<(string Name, float[] Features, int Dimension, int Clusters, JsonElement Expected)> Cases()
    {
        using var tensors = TensorFile.Open(Fixtures.Path(FeaturesFile));
        var cases = JsonDocument.Parse(File.ReadAllBytes(Fixtures.Path(ExpectedFile))).RootElement.GetProperty("cases");
        foreach (var expected in cases.EnumerateObject())
        {
            var match = CaseName().Match(expected.Name);
            Assert.True(match.Success, $"{expected.Name} is no case name");
            var features = $"{match.Groups[1].Value}_features";
            var dimension = (int)tensors.Get(features).Shape[1];
            yield return (expected.Name, tensors.ReadFloats(features), dimension, int.Parse(match.Groups[2].Value), expected.Value);
        }
    }

    private static IEnumerable<double> Numbers(JsonElement element, string name) =>
        element.GetProperty(name).EnumerateArray().Select(v => v.GetDouble());

    [GeneratedRegex(@"^(\w+)_k(\d+)$")]
    private static partial Regex CaseName();
}
