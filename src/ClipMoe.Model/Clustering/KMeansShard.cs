using System.Numerics.Tensors;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Clustering;

/// <summary>
/// The features of a run of samples, on the machine where they lie. It is cut into leaves of a fixed number of rows; a leaf's sums are
/// accumulated row by row, and leaves are added in a fixed tree, so that the centroids do not depend on how the rows are dealt to
/// shards, workers and threads.
/// </summary>
public sealed class KMeansShard
{
    /// <summary>Rows of a leaf. A shard starts at a multiple of it, and only the last shard of the data set may end elsewhere.</summary>
    public const int LeafRows = 1024;

    /// <summary>Rows whose distances are computed before they are summed, while they are still in the cache.</summary>
    private const int BlockRows = 32;

    /// <summary>Squared norms above it would overflow fp32 in a distance.</summary>
    private const float LargestSquaredNorm = 1e37f;

    /// <param name="features">[rows, dimension] fp32, row-major; read in place, so it must not change.</param>
    /// <param name="dimension">D.</param>
    /// <param name="firstRow">The data set's row that this shard begins with, a multiple of <see cref="LeafRows"/>.</param>
    /// <exception cref="UserErrorException">A feature is not a finite number.</exception>
    public KMeansShard(ReadOnlyMemory<float> features, int dimension, int firstRow)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dimension);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        if (features.Length % dimension != 0)
            throw new ArgumentException($"{features.Length} values are no rows of {dimension} dimensions");
        if (firstRow % LeafRows != 0) throw new ArgumentException($"row {firstRow} does not begin a leaf of {LeafRows} rows");
        Features = features;
        Dimension = dimension;
        FirstRow = firstRow;
        SquaredNorms = new float[Rows];
        for (var i = 0; i < Rows; i++)
        {
            SquaredNorms[i] = DotProducts.Dot(Row(i), Row(i));
            if (!(SquaredNorms[i] <= LargestSquaredNorm))
            {
                throw new UserErrorException(
                    $"The features of sample {firstRow + i} are not finite numbers (or too large to measure distances): " +
                    "the model that made them has diverged; use an earlier checkpoint.");
            }
        }
    }

    public ReadOnlyMemory<float> Features { get; }

    public int Dimension { get; }

    public int FirstRow { get; }

    public int Rows => Features.Length / Dimension;

    /// <summary>[rows]</summary>
    internal float[] SquaredNorms { get; }

    /// <summary>A row by its number within the shard.</summary>
    public ReadOnlySpan<float> Row(int index) => Features.Span.Slice(index * Dimension, Dimension);

    /// <summary>One pass over the shard: assigns each row to its nearest centroid and sums the clusters.</summary>
    /// <returns>The maximal complete subtrees of leaves that the shard covers, in order; give them to
    /// <see cref="KMeansStep.Total"/>.</returns>
    public IReadOnlyList<KMeansPartial> Accumulate(Centroids centroids, int threads)
    {
        var tree = new PartialTree();
        var size = centroids.Values.Length;
        DedicatedThreads.For((Rows + LeafRows - 1) / LeafRows, threads, leaf => tree.Add(AccumulateLeaf(leaf, centroids, tree.Sums(size))));
        return tree.Subtrees();
    }

    /// <summary>[rows] the nearest centroid of each row, the lowest number at equal distance.</summary>
    public int[] Assign(Centroids centroids, int threads)
    {
        var clusters = new int[Rows];
        DedicatedThreads.For((Rows + LeafRows - 1) / LeafRows, threads, leaf =>
        {
            var products = new float[BlockRows * centroids.Count];
            Span<float> distances = stackalloc float[BlockRows];
            foreach (var (start, count) in Blocks(leaf)) Nearest(start, count, centroids, products, clusters.AsSpan(start, count),
                distances);
        });
        return clusters;
    }

    /// <summary>[rows.Count, dimension] the features of rows of the data set that lie in this shard.</summary>
    public float[] Gather(IReadOnlyList<int> rows)
    {
        var gathered = new float[rows.Count * Dimension];
        for (var i = 0; i < rows.Count; i++) Row(rows[i] - FirstRow).CopyTo(gathered.AsSpan(i * Dimension));
        return gathered;
    }

    private KMeansPartial AccumulateLeaf(int leaf, Centroids centroids, float[] sums)
    {
        var (counts, inertia) = (new int[centroids.Count], 0.0);
        var farthest = new FarthestRows(centroids.Count);
        var products = new float[BlockRows * centroids.Count];
        Span<int> clusters = stackalloc int[BlockRows];
        Span<float> distances = stackalloc float[BlockRows];
        foreach (var (start, count) in Blocks(leaf))
        {
            Nearest(start, count, centroids, products, clusters, distances);
            for (var i = 0; i < count; i++)
            {
                var sum = sums.AsSpan(clusters[i] * Dimension, Dimension);
                TensorPrimitives.Add(sum, Row(start + i), sum);
                counts[clusters[i]]++;
                inertia += distances[i];
                farthest.Offer(new FarPoint(FirstRow + start + i, distances[i], clusters[i]));
            }
        }

        return new KMeansPartial(FirstRow / LeafRows + leaf, Leaves: 1, sums, counts, inertia, farthest.FarthestFirst());
    }

    private IEnumerable<(int Start, int Count)> Blocks(int leaf)
    {
        var end = Math.Min(Rows, (leaf + 1) * LeafRows);
        for (var start = leaf * LeafRows; start < end; start += BlockRows) yield return (start, Math.Min(BlockRows, end - start));
    }

    private void Nearest(int start, int count, Centroids centroids, float[] products, Span<int> clusters, Span<float> distances)
    {
        if (centroids.Dimension != Dimension)
            throw new ArgumentException($"centroids of {centroids.Dimension} dimensions for features of {Dimension}");
        DotProducts.Products(Features.Span.Slice(start * Dimension, count * Dimension), centroids.Values.Span, Dimension, products);
        var norms = centroids.SquaredNorms;
        for (var i = 0; i < count; i++)
        {
            var row = products.AsSpan(i * norms.Length, norms.Length);
            var (nearest, least) = (0, float.PositiveInfinity);
            for (var c = 0; c < row.Length; c++)
            {
                var distance = norms[c] - 2 * row[c];
                if (distance >= least) continue;
                (nearest, least) = (c, distance);
            }

            clusters[i] = nearest;
            // |x − c|² = |x|² + |c|² − 2 x·c, which rounding may take below zero.
            distances[i] = Math.Max(0, SquaredNorms[start + i] + least);
        }
    }
}
