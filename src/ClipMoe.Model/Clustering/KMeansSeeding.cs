using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Clustering;

/// <summary>
/// Where k-means starts. Restarts run on a sample that fits on one machine; the best of them is what the iterations over all rows refine.
/// Whole data sets up to the sample's size are their own sample.
/// </summary>
public static class KMeansSeeding
{
    private const int SampleSize = 16384, SamplePerCluster = 256;

    /// <summary>Rows of the data set to start from, ascending: a uniform choice that depends on nothing but the arguments.</summary>
    public static int[] SampleRows(RandomKey key, int rows, int clusters)
    {
        var count = (int)Math.Min(rows, Math.Max(SampleSize, (long)SamplePerCluster * clusters));
        if (count == rows) return [.. Enumerable.Range(0, rows)];
        var permutation = new KeyedPermutation(key.Derive(-1), rows);
        var sample = new int[count];
        for (var i = 0; i < count; i++) sample[i] = permutation[i];
        Array.Sort(sample);
        return sample;
    }

    /// <summary>The best of several runs over the sample.</summary>
    /// <param name="key">Restart i depends on (key, i).</param>
    /// <param name="sample">[rows, dimension] the features of <see cref="SampleRows"/>.</param>
    /// <param name="dimension">D.</param>
    /// <param name="settings">k, restarts, and when a run ends.</param>
    /// <param name="threads">Threads to compute on; the result does not depend on it.</param>
    /// <exception cref="UserErrorException">There are fewer rows than clusters, or a feature is not finite.</exception>
    public static Centroids Best(RandomKey key, ReadOnlyMemory<float> sample, int dimension, KMeansSettings settings, int threads)
    {
        var shard = new KMeansShard(sample, dimension, firstRow: 0);
        KMeans.CheckEnough(shard.Rows, settings.Clusters);
        KMeansResult? best = null;
        for (var restart = 0; restart < settings.Restarts; restart++)
        {
            var result = KMeans.Refine([shard], PlusPlus(key.Derive(restart), shard, settings.Clusters, threads), settings, threads);
            if (best is null || result.Inertia < best.Inertia) best = result;
        }

        return best?.Centroids ?? throw new ArgumentOutOfRangeException(nameof(settings), settings.Restarts, "no restarts");
    }

    /// <summary>
    /// Greedy k-means++ (Arthur and Vassilvitskii 2007): each next center is a row drawn in proportion to its squared distance from the
    /// centers so far, the best of 2 + ln k draws, as scikit-learn does.
    /// </summary>
    internal static Centroids PlusPlus(RandomKey key, KMeansShard shard, int clusters, int threads)
    {
        var draws = 2 + (int)Math.Log(clusters);
        var centers = new float[clusters * shard.Dimension];
        var row = key.Below(0, shard.Rows);
        shard.Row(row).CopyTo(centers);
        var distances = SquaredDistances(shard, shard.Row(row).ToArray(), threads);
        for (var c = 1; c < clusters; c++)
        {
            var total = distances.Sum(d => (double)d);
            var candidates = Enumerable.Range(0, draws).Select(i => Draw(distances, total * key.Derive(c).Unit(i))).ToList();
            var fromEach = SquaredDistances(shard, shard.Gather(candidates), threads);
            var (best, potential) = (0, double.PositiveInfinity);
            for (var i = 0; i < draws; i++)
            {
                var sum = 0.0;
                for (var r = 0; r < distances.Length; r++) sum += Math.Min(distances[r], fromEach[r * draws + i]);
                if (sum < potential) (best, potential) = (i, sum);
            }

            shard.Row(candidates[best]).CopyTo(centers.AsSpan(c * shard.Dimension));
            for (var r = 0; r < distances.Length; r++) distances[r] = Math.Min(distances[r], fromEach[r * draws + best]);
        }

        return new Centroids(centers, shard.Dimension);
    }

    /// <summary>
    /// The first row whose cumulated distance exceeds the target. When all rows lie on centers, any row is as good: the last.
    /// </summary>
    private static int Draw(float[] distances, double target)
    {
        var cumulated = 0.0;
        for (var r = 0; r < distances.Length; r++)
        {
            cumulated += distances[r];
            if (cumulated > target) return r;
        }

        return distances.Length - 1;
    }

    /// <summary>[rows, centers] squared distances.</summary>
    private static float[] SquaredDistances(KMeansShard shard, float[] centers, int threads)
    {
        const int block = 256;
        var reference = new Centroids(centers, shard.Dimension);
        var distances = new float[shard.Rows * reference.Count];
        DedicatedThreads.For((shard.Rows + block - 1) / block, threads, b =>
        {
            var (start, count) = (b * block, Math.Min(block, shard.Rows - b * block));
            var part = distances.AsSpan(start * reference.Count, count * reference.Count);
            DotProducts.Products(shard.Features.Span.Slice(start * shard.Dimension, count * shard.Dimension), centers, shard.Dimension,
                part);
            for (var i = 0; i < part.Length; i++)
                part[i] = Math.Max(0, shard.SquaredNorms[start + i / reference.Count] + reference.SquaredNorms[i % reference.Count] - 2
                    * part[i]);
        });
        return distances;
    }
}
