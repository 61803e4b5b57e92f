using System.Numerics.Tensors;

namespace ClipMoe.Model.Clustering;

/// <summary>A row and its squared distance from the centroid that it is assigned to.</summary>
public readonly record struct FarPoint(int Row, float SquaredDistance, int Cluster);

/// <summary>
/// What one iteration of k-means learns from the rows of a run of leaves: a complete subtree of the tree of leaves, or all of it. This is
/// all that crosses the network, so that an iteration costs k × D numbers a worker whatever the size of the data set.
/// </summary>
/// <param name="FirstLeaf">The first leaf; leaf i holds rows i × <see cref="KMeansShard.LeafRows"/> and following.</param>
/// <param name="Leaves">Number of leaves.</param>
/// <param name="Sums">[k, D] sum of the rows of each cluster.</param>
/// <param name="Counts">[k] rows of each cluster.</param>
/// <param name="Inertia">Sum of squared distances from the rows to their centroids.</param>
/// <param name="Farthest">The at most k farthest rows, farthest first: where empty clusters may start anew.</param>
public sealed record KMeansPartial(int FirstLeaf, int Leaves, float[] Sums, int[] Counts, double Inertia, IReadOnlyList<FarPoint> Farthest)
{
    /// <summary>Left + right, written over left's arrays.</summary>
    internal static KMeansPartial CombineInPlace(KMeansPartial left, KMeansPartial right)
    {
        if (left.FirstLeaf + left.Leaves != right.FirstLeaf || left.Sums.Length != right.Sums.Length
            || left.Counts.Length != right.Counts.Length)
            throw new ArgumentException($"leaves from {right.FirstLeaf} on do not continue the {left.Leaves} from {left.FirstLeaf} on");
        TensorPrimitives.Add(left.Sums, right.Sums, left.Sums);
        for (var c = 0; c < left.Counts.Length; c++) left.Counts[c] += right.Counts[c];
        return left with
        {
            Leaves = left.Leaves + right.Leaves,
            Inertia = left.Inertia + right.Inertia,
            Farthest = MergeFarthest(left.Farthest, right.Farthest, left.Counts.Length),
        };
    }

    private static List<FarPoint> MergeFarthest(IReadOnlyList<FarPoint> left, IReadOnlyList<FarPoint> right, int limit)
    {
        var merged = new List<FarPoint>(Math.Min(limit, left.Count + right.Count));
        for (int l = 0, r = 0; merged.Count < limit && (l < left.Count || r < right.Count);)
        {
            // Rows on the left have lower numbers and go first at equal distance.
            var takeLeft = r == right.Count || (l < left.Count && left[l].SquaredDistance >= right[r].SquaredDistance);
            merged.Add(takeLeft ? left[l++] : right[r++]);
        }

        return merged;
    }
}
