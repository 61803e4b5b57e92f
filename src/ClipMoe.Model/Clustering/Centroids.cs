using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Clustering;

/// <summary>The centers of k clusters, [k, dimension] fp32.</summary>
public sealed class Centroids
{
    public Centroids(float[] values, int dimension)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dimension);
        if (values.Length == 0 || values.Length % dimension != 0)
            throw new ArgumentException($"{values.Length} values are no centroids of {dimension} dimensions");
        Values = values;
        Dimension = dimension;
        SquaredNorms = [.. Enumerable.Range(0, Count).Select(c => DotProducts.Dot(this[c], this[c]))];
    }

    public ReadOnlyMemory<float> Values { get; }

    public int Dimension { get; }

    /// <summary>k.</summary>
    public int Count => Values.Length / Dimension;

    public ReadOnlySpan<float> this[int cluster] => Values.Span.Slice(cluster * Dimension, Dimension);

    internal float[] SquaredNorms { get; }
}
