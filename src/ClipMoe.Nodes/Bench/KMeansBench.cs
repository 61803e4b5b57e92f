using System.CommandLine;
using System.Diagnostics;
using ClipMoe.Model.Clustering;
using ClipMoe.Model.Numerics;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench kmeans</c>: clusters made-up features, from the start to the final inertia.</summary>
internal static class KMeansBench
{
    private const int ShardRows = 64 * KMeansShard.LeafRows, Groups = 100;

    public static Command Build()
    {
        var points = BenchOptions.AtLeast("--points", 1, 200_000, "Number of feature vectors.");
        var dimension = BenchOptions.AtLeast("--dim", 1, 512, "Dimensions of a feature vector.");
        var clusters = BenchOptions.AtLeast("--k", 1, 9, "Number of clusters.");
        var iterations = BenchOptions.AtLeast("--iterations", 1, 20, "Iterations over all points.");
        var threads = BenchOptions.AtLeast("--threads", 1, Environment.ProcessorCount, "Compute threads.");
        var json = BenchOptions.Json();
        var command = new Command(
            "kmeans",
            """
            k-means over made-up features in memory: one k-means++ start on a sample, then iterations over all points.
            Example: clipmoe bench kmeans --points 200000 --dim 512 --k 81 --iterations 20 --json
            """)
        { points, dimension, clusters, iterations, threads, json };
        command.SetAction(parsed =>
        {
            var settings = new KMeansSettings
            {
                Clusters = parsed.GetValue(clusters),
                Iterations = parsed.GetValue(iterations),
                Restarts = 1,
                Tolerance = 0,
            };
            var figures = Measure(parsed.GetValue(points), parsed.GetValue(dimension), settings, parsed.GetValue(threads));
            BenchOptions.Print(figures, parsed.GetValue(json), f =>
                $"{f.Points} points of {f.Dim} dimensions, k = {f.K}, {f.Threads} threads: " +
                $"{f.Iterations} iterations in {f.Seconds:F2} s ({f.Gflops:F0} GFLOP/s) " +
                $"after a start of {f.StartSeconds:F2} s, inertia {f.Inertia:G7}");
            return ExitCodes.Success;
        });
        return command;
    }

    /// <param name="Iterations">Updates made; fewer than asked for when the centroids stopped moving.</param>
    /// <param name="Seconds">Of the iterations over all points, with the last pass that measures the inertia.</param>
    /// <param name="StartSeconds">Of k-means++ and its iterations on the sample.</param>
    /// <param name="Gflops">10⁹ floating-point operations of the distances a second, over <paramref name="Seconds"/>.</param>
    private sealed record KMeansResult(
        int Points, int Dim, int K, int Iterations, int Threads,
        double Seconds, double StartSeconds, double TotalSeconds, double Gflops, double Inertia);

    private static KMeansResult Measure(int points, int dimension, KMeansSettings settings, int threads)
    {
        var key = RandomKey.FromSeed(1);
        var shards = Enumerable.Range(0, (points + ShardRows - 1) / ShardRows)
            .Select(s => MakeShard(key, s * ShardRows, Math.Min(ShardRows, points - s * ShardRows), dimension)).ToList();

        var clock = Stopwatch.StartNew();
        var start = KMeans.Start(key, shards, settings, threads);
        var startSeconds = clock.Elapsed.TotalSeconds;
        var result = KMeans.Refine(shards, start, settings, threads);
        var total = clock.Elapsed.TotalSeconds;
        var operations = 2.0 * points * dimension * settings.Clusters * (result.Iterations + 1);
        return new KMeansResult(
            points, dimension, settings.Clusters, result.Iterations, threads, total - startSeconds, startSeconds, total,
            operations / (total - startSeconds) / 1e9, result.Inertia);
    }

    /// <summary>Points around random centers, so wide that the groups overlap as those of real features do.</summary>
    private static KMeansShard MakeShard(RandomKey key, int firstRow, int rows, int dimension)
    {
        var values = new float[rows * dimension];
        Parallel.For(0, rows, i =>
        {
            var (noise, center) = (key.Derive(firstRow + i), key.Derive(-1 - (firstRow + i) % Groups));
            for (var d = 0; d < dimension; d++) values[i * dimension + d] = (float)(noise.Unit(d) - 0.5 + 0.3 * (center.Unit(d) - 0.5));
        });
        return new KMeansShard(values, dimension, firstRow);
    }
}
