using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Clustering;

/// <summary>What k-means is asked for.</summary>
public sealed record KMeansSettings
{
    /// <summary>k.</summary>
    public required int Clusters { get; init; }

    /// <summary>At most so many updates of the centroids.</summary>
    public int Iterations { get; init; } = 50;

    /// <summary>Runs over the sample of which the best is refined.</summary>
    public int Restarts { get; init; } = 5;

    /// <summary>Stops when an iteration lowers the inertia by no more than this fraction.</summary>
    public double Tolerance { get; init; } = 1e-6;
}

/// <param name="Centroids">The centers.</param>
/// <param name="Inertia">Sum of squared distances from each row to the nearest of the centers.</param>
/// <param name="Counts">Rows of each cluster.</param>
/// <param name="Iterations">Updates made over all rows.</param>
/// <param name="Converged">False when the iterations ran out.</param>
public sealed record KMeansResult(Centroids Centroids, double Inertia, IReadOnlyList<int> Counts, int Iterations, bool Converged);

/// <summary>
/// k-means in one process, over shards that may have been made anywhere. Workers on several machines make the same steps.
/// </summary>
public static class KMeans
{
    /// <param name="key">Seed of the sample and of the restarts.</param>
    /// <param name="shards">All shards of the data set, in any order.</param>
    /// <param name="settings">k, iterations, restarts.</param>
    /// <param name="threads">Threads to compute on; the result does not depend on it.</param>
    /// <param name="cancellation">Checked before each pass over the data.</param>
    /// <exception cref="UserErrorException">There are fewer rows than clusters.</exception>
    public static KMeansResult Fit(
        RandomKey key, IReadOnlyList<KMeansShard> shards, KMeansSettings settings, int threads, CancellationToken cancellation = default)
    {
        var start = Start(key, shards, settings, threads);
        return Refine(shards, start, settings, threads, cancellation);
    }

    /// <summary>The best of the restarts on a sample of the rows.</summary>
    public static Centroids Start(RandomKey key, IReadOnlyList<KMeansShard> shards, KMeansSettings settings, int threads)
    {
        var rows = shards.Sum(s => s.Rows);
        CheckEnough(rows, settings.Clusters);
        var sample = Gather(shards, KMeansSeeding.SampleRows(key, rows, settings.Clusters));
        return KMeansSeeding.Best(key, sample, shards[0].Dimension, settings, threads);
    }

    /// <summary>Lloyd's iterations over all rows from given centroids.</summary>
    public static KMeansResult Refine(
        IReadOnlyList<KMeansShard> shards, Centroids start, KMeansSettings settings, int threads, CancellationToken cancellation = default)
    {
        var rows = shards.Sum(s => s.Rows);
        var (centroids, previous) = (start, double.NaN);
        for (var iteration = 0; ; iteration++)
        {
            cancellation.ThrowIfCancellationRequested();
            var total = KMeansStep.Total(shards.SelectMany(s => s.Accumulate(centroids, threads)), rows);
            var reseeds = KMeansStep.Reseeds(total);
            var converged = iteration > 0 && reseeds.Count == 0 && KMeansStep.Converged(previous, total.Inertia, settings.Tolerance);
            if (converged || iteration == settings.Iterations)
                return new KMeansResult(centroids, total.Inertia, total.Counts, iteration, converged);
            centroids = KMeansStep.Update(total, centroids, Gather(shards, [.. reseeds.Select(r => r.Row)]));
            previous = total.Inertia;
        }
    }

    internal static void CheckEnough(int rows, int clusters)
    {
        if (rows < clusters) throw new UserErrorException(
            $"{rows} samples cannot form {clusters} clusters: use fewer clusters or more samples.");
    }

    private static float[] Gather(IReadOnlyList<KMeansShard> shards, IReadOnlyList<int> rows)
    {
        var dimension = shards[0].Dimension;
        var gathered = new float[rows.Count * dimension];
        for (var i = 0; i < rows.Count; i++)
        {
            var shard = shards.First(s => rows[i] >= s.FirstRow && rows[i] < s.FirstRow + s.Rows);
            shard.Row(rows[i] - shard.FirstRow).CopyTo(gathered.AsSpan(i * dimension));
        }

        return gathered;
    }
}
