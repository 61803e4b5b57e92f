using ClipMoe.Model.Clustering;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Tests.Clustering;

public sealed class KMeansTests
{
    private static readonly RandomKey Key = RandomKey.FromSeed(5);

    [Fact]
    public void Separated_groups_are_found()
    {
        const int groups = 6, dimension = 12;
        var features = Groups(3000, dimension, groups, spread: 0.05);
        var result = KMeans.Fit(Key, [new KMeansShard(features, dimension, firstRow: 0)], new KMeansSettings { Clusters = groups },
            threads: 2);
        var clusters = new KMeansShard(features, dimension, firstRow: 0).Assign(result.Centroids, threads: 2);
        Assert.True(result.Converged);
        Assert.Equal(Enumerable.Repeat(500, groups), result.Counts);
        for (var i = 0; i < clusters.Length; i++) Assert.Equal(clusters[i % groups], clusters[i]);
    }

    [Fact]
    public void Inertia_counts_and_labels_are_those_of_the_returned_centroids()
    {
        const int dimension = 11, k = 7;
        var features = Groups(2500, dimension, groups: 9, spread: 0.6);
        var shard = new KMeansShard(features, dimension, firstRow: 0);
        var result = KMeans.Fit(Key, [shard], new KMeansSettings { Clusters = k, Iterations = 4 }, threads: 1);
        var clusters = shard.Assign(result.Centroids, threads: 1);

        var (inertia, counts) = (0.0, new int[k]);
        for (var i = 0; i < shard.Rows; i++)
        {
            var distances = Enumerable.Range(0, k).Select(c => SquaredDistance(shard.Row(i), result.Centroids[c])).ToList();
            Assert.Equal(distances.Min(), distances[clusters[i]], tolerance: 1e-5);
            inertia += distances.Min();
            counts[clusters[i]]++;
        }

        Assert.Equal(inertia, result.Inertia, tolerance: 1e-6 * inertia);
        Assert.Equal(counts, result.Counts);
    }

    [Fact]
    public void An_update_is_the_mean_of_each_cluster()
    {
        const int dimension = 5;
        var features = Groups(3000, dimension, groups: 4, spread: 0.5);
        var shard = new KMeansShard(features, dimension, firstRow: 0);
        var start = new Centroids(features[..(3 * dimension)], dimension);
        var total = KMeansStep.Total(shard.Accumulate(start, threads: 1), shard.Rows);
        var updated = KMeansStep.Update(total, start, []);
        var clusters = shard.Assign(start, threads: 1);
        for (var c = 0; c < 3; c++)
        {
            for (var d = 0; d < dimension; d++)
            {
                var mean = Enumerable.Range(0, shard.Rows).Where(i => clusters[i] == c).Average(i => (double)features[i * dimension + d]);
                Assert.Equal(mean, updated[c][d], tolerance: 1e-5);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void The_result_is_bitwise_the_same_however_rows_are_dealt_to_shards_and_threads(int shards)
    {
        const int dimension = 19, rows = 7 * KMeansShard.LeafRows + 300;
        var features = Groups(rows, dimension, groups: 30, spread: 0.5);
        var settings = new KMeansSettings { Clusters = 10, Iterations = 6, Restarts = 2 };
        var whole = KMeans.Fit(Key, [new KMeansShard(features, dimension, firstRow: 0)], settings, threads: 1);
        var dealt = Deal(features, dimension, shards);
        dealt.Reverse();
        var result = KMeans.Fit(Key, dealt, settings, threads: 3);
        Assert.Equal(whole.Centroids.Values.ToArray(), result.Centroids.Values.ToArray());
        Assert.Equal(whole.Inertia, result.Inertia);
        Assert.Equal(whole.Counts, result.Counts);
    }

    [Fact]
    public void Partials_are_not_changed_and_may_come_in_any_order()
    {
        const int dimension = 3;
        var features = Groups(5 * KMeansShard.LeafRows, dimension, groups: 3, spread: 0.5);
        var start = new Centroids(features[..(4 * dimension)], dimension);
        var rows = features.Length / dimension;
        var partials = Deal(features, dimension, shards: 4).SelectMany(s => s.Accumulate(start, threads: 1)).ToList();
        var first = KMeansStep.Total(partials, rows);
        partials.Reverse();
        var second = KMeansStep.Total(partials, rows);
        Assert.Equal(first.Sums, second.Sums);
        Assert.Equal(first.Farthest, second.Farthest);
        Assert.Equal(4, first.Farthest.Count);
    }

    [Fact]
    public void A_missing_or_repeated_shard_is_noticed()
    {
        const int dimension = 3;
        var features = Groups(3 * KMeansShard.LeafRows, dimension, groups: 3, spread: 0.5);
        var start = new Centroids(features[..(2 * dimension)], dimension);
        var partials = Deal(features, dimension, shards: 3).Select(s => Assert.Single(s.Accumulate(start, threads: 1))).ToList();
        var rows = 3 * KMeansShard.LeafRows;
        foreach (var missing in partials) Assert.Throws<ArgumentException>(() => KMeansStep.Total(partials.Where(p => p != missing), rows));
        foreach (var twice in partials) Assert.Throws<ArgumentException>(() => KMeansStep.Total([.. partials, twice], rows));
    }

    [Fact]
    public void An_empty_cluster_starts_anew_at_the_farthest_row()
    {
        // Cluster 2 is far from every row; the farthest row, 40, is alone at its place.
        float[] features = [0, 1, 10, 11, 12, 40];
        var shard = new KMeansShard(features, dimension: 1, firstRow: 0);
        var start = new Centroids([0, 10, -1000], dimension: 1);
        var total = KMeansStep.Total(shard.Accumulate(start, threads: 1), rows: 6);
        Assert.Equal([new FarPoint(Row: 5, SquaredDistance: 900, Cluster: 1)], KMeansStep.Reseeds(total));
        Assert.Equal([0.5f, 11, 40], KMeansStep.Update(total, start, [40]).Values.ToArray());
    }

    [Fact]
    public void The_last_row_of_a_cluster_never_leaves_it_for_an_empty_one()
    {
        var shard = new KMeansShard(new float[] { 0, 1, 90 }, dimension: 1, firstRow: 0);
        var total = KMeansStep.Total(shard.Accumulate(new Centroids([0, 60, -1000, -1000], dimension: 1), threads: 1), rows: 3);
        Assert.Equal([1], KMeansStep.Reseeds(total).Select(r => r.Row));
    }

    [Fact]
    public void Fewer_distinct_rows_than_clusters_leave_clusters_empty()
    {
        var features = Enumerable.Range(0, 60).SelectMany(i => new float[] { i % 3, 1 }).ToArray();
        var result = KMeans.Fit(Key, [new KMeansShard(features, dimension: 2, firstRow: 0)], new KMeansSettings { Clusters = 5 },
            threads: 1);
        Assert.Equal(0, result.Inertia);
        Assert.Equal([0, 0, 20, 20, 20], result.Counts.Order());
    }

    [Fact]
    public void More_restarts_are_never_worse_on_the_sample()
    {
        const int dimension = 8;
        var features = Groups(2000, dimension, groups: 40, spread: 0.2);
        var shard = new KMeansShard(features, dimension, firstRow: 0);
        var inertia = new[] { 1, 4, 16 }.Select(restarts =>
        {
            var settings = new KMeansSettings { Clusters = 20, Restarts = restarts };
            return KMeans.Fit(Key, [shard], settings, threads: 1).Inertia;
        }).ToList();
        Assert.True(inertia[0] > inertia[2]);
        Assert.Equal(inertia.OrderDescending(), inertia);
    }

    [Fact]
    public void The_sample_is_a_choice_of_distinct_rows()
    {
        var sample = KMeansSeeding.SampleRows(Key, rows: 100_000, clusters: 9);
        Assert.Equal(sample.Distinct().Order(), sample);
        Assert.All(sample, row => Assert.InRange(row, 0, 99_999));
        Assert.Equal(16384, sample.Length);
        Assert.Equal(Enumerable.Range(0, 50), KMeansSeeding.SampleRows(Key, rows: 50, clusters: 9));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e30f)]
    public void Features_that_are_not_finite_are_named(float bad)
    {
        var features = new float[2 * 1024 * 4];
        features[^2] = bad;
        Assert.Contains("sample 4095", Assert.Throws<UserErrorException>(
            () => new KMeansShard(features, dimension: 4, firstRow: 2048)).Message);
    }

    [Fact]
    public void Too_few_samples_are_a_clear_error()
    {
        var settings = new KMeansSettings { Clusters = 3 };
        var two = new KMeansShard(new float[] { 1, 2 }, dimension: 1, firstRow: 0);
        var error = Assert.Throws<UserErrorException>(() => KMeans.Fit(Key, [two], settings, threads: 1));
        Assert.Contains("2 samples cannot form 3 clusters", error.Message);
        var none = new KMeansShard(Array.Empty<float>(), dimension: 4, firstRow: 0);
        Assert.Throws<UserErrorException>(() => KMeans.Fit(Key, [none], settings, threads: 1));
        Assert.Throws<UserErrorException>(() => KMeans.Fit(Key, [], settings, threads: 1));
    }

    [Fact]
    public void A_cancelled_run_stops()
    {
        var shard = new KMeansShard(Groups(100, 4, groups: 3, spread: 0.5), dimension: 4, firstRow: 0);
        var settings = new KMeansSettings { Clusters = 3 };
        Assert.Throws<OperationCanceledException>(() => KMeans.Fit(Key, [shard], settings, threads: 1,
            new CancellationToken(canceled: true)));
    }

    /// <summary>Row i lies around center i mod groups; coordinates of the centers are ±1.</summary>
    private static float[] Groups(int rows, int dimension, int groups, double spread)
    {
        var features = new float[rows * dimension];
        for (var i = 0; i < rows; i++)
        {
            for (var d = 0; d < dimension; d++)
            {
                var center = (Key.Derive(i % groups).Bits(d) & 1) * 2.0 - 1;
                features[i * dimension + d] = (float)(center + spread * (2 * Key.Derive(1000 + i).Unit(d) - 1));
            }
        }

        return features;
    }

    private static List<KMeansShard> Deal(float[] features, int dimension, int shards)
    {
        var rows = features.Length / dimension;
        var leaves = (rows + KMeansShard.LeafRows - 1) / KMeansShard.LeafRows;
        return [.. Enumerable.Range(0, shards).Select(s =>
        {
            var start = leaves * s / shards * KMeansShard.LeafRows;
            var end = Math.Min(rows, leaves * (s + 1) / shards * KMeansShard.LeafRows);
            return new KMeansShard(features.AsMemory(start * dimension, (end - start) * dimension), dimension, start);
        })];
    }

    private static double SquaredDistance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var d = 0; d < a.Length; d++) sum += ((double)a[d] - b[d]) * ((double)a[d] - b[d]);
        return sum;
    }
}
