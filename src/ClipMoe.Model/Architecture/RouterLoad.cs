namespace ClipMoe.Model.Architecture;

/// <summary>How often each expert was chosen.</summary>
/// <param name="Layers">MoE blocks of the tower.</param>
/// <param name="Experts">Experts per block.</param>
/// <param name="Counts">[layers, experts], row-major; each row sums to top-k × <paramref name="Tokens"/>.</param>
/// <param name="Tokens">Tokens counted in each block.</param>
public sealed record RouterLoad(int Layers, int Experts, long[] Counts, long Tokens)
{
    public static RouterLoad None(int layers, int experts) => new(layers, experts, new long[layers * experts], 0);

    public static RouterLoad operator +(RouterLoad a, RouterLoad b) =>
        a with { Counts = [.. a.Counts.Zip(b.Counts, (x, y) => x + y)], Tokens = a.Tokens + b.Tokens };

    /// <summary>How often an expert was chosen in all blocks together.</summary>
    public long CountOf(int expert)
    {
        var sum = 0L;
        for (var layer = 0; layer < Layers; layer++) sum += Counts[layer * Experts + expert];
        return sum;
    }
}
