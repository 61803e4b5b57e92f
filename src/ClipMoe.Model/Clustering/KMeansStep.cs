using System.Numerics.Tensors;

namespace ClipMoe.Model.Clustering;

/// <summary>The half of an iteration that knows all shards: from their partials to the next centroids.</summary>
public static class KMeansStep
{
    /// <summary>
    /// Sums the partials of all shards in the order of the tree of leaves; the order in which they are given does not matter.
    /// </summary>
    /// <param name="partials">Of <see cref="KMeansShard.Accumulate"/> with the same centroids; not changed.</param>
    /// <param name="rows">Rows of the data set, to notice a shard that is missing.</param>
    /// <exception cref="ArgumentException">Shards are missing or were given more than once.</exception>
    public static KMeansPartial Total(IEnumerable<KMeansPartial> partials, int rows)
    {
        var tree = new PartialTree();
        foreach (var partial in partials) tree.Add(partial with { Sums = [.. partial.Sums], Counts = [.. partial.Counts] });
        var total = tree.Total();
        var seen = total.Counts.Sum(c => (long)c);
        return seen == rows ? total : throw new ArgumentException($"the shards hold {seen} of {rows} rows");
    }

    /// <summary>
    /// For each empty cluster, lowest number first, the row at which it starts anew: the farthest from their centroids, but never the last
    /// row of a cluster, nor one that lies on its centroid. Usually none; their features are fetched from the shards for
    /// <see cref="Update"/>.
    /// </summary>
    public static IReadOnlyList<FarPoint> Reseeds(KMeansPartial total)
    {
        var empty = total.Counts.Count(c => c == 0);
        var left = total.Counts.ToArray();
        var reseeds = new List<FarPoint>();
        foreach (var point in total.Farthest)
        {
            if (reseeds.Count == empty) break;
            if (point.SquaredDistance == 0 || left[point.Cluster] < 2) continue;
            left[point.Cluster]--;
            reseeds.Add(point);
        }

        return reseeds;
    }

    /// <summary>The mean of each cluster. Empty ones move to the rows of <see cref="Reseeds"/>, or stay where those are too few.</summary>
    /// <param name="total">Of <see cref="Total"/>.</param>
    /// <param name="previous">The centroids that the rows were assigned to.</param>
    /// <param name="reseedFeatures">[reseeds, dimension] the features of <see cref="Reseeds"/>, in its order.</param>
    public static Centroids Update(KMeansPartial total, Centroids previous, ReadOnlySpan<float> reseedFeatures)
    {
        var dimension = previous.Dimension;
        var (sums, counts) = (total.Sums.ToArray(), total.Counts.ToArray());
        var reseeds = Reseeds(total);
        if (reseedFeatures.Length != reseeds.Count * dimension)
            throw new ArgumentException($"{reseedFeatures.Length} values for {reseeds.Count} empty clusters of {dimension} dimensions");

        var empty = Enumerable.Range(0, counts.Length).Where(c => counts[c] == 0).ToList();
        for (var i = 0; i < empty.Count; i++)
        {
            var moved = i < reseeds.Count ? reseedFeatures.Slice(i * dimension, dimension) : previous[empty[i]];
            moved.CopyTo(Sum(empty[i]));
            counts[empty[i]] = 1;
            if (i >= reseeds.Count) continue;
            TensorPrimitives.Subtract(Sum(reseeds[i].Cluster), moved, Sum(reseeds[i].Cluster));
            counts[reseeds[i].Cluster]--;
        }

        for (var c = 0; c < counts.Length; c++) TensorPrimitives.Divide(Sum(c), counts[c], Sum(c));
        return new Centroids(sums, dimension);

        Span<float> Sum(int cluster) => sums.AsSpan(cluster * dimension, dimension);
    }

    /// <summary>Whether an iteration gained too little on the one before to continue.</summary>
    public static bool Converged(double previousInertia, double inertia, double tolerance) =>
        previousInertia - inertia <= tolerance * previousInertia;
}
