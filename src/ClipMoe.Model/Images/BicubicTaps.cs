using System.Collections.Concurrent;

namespace ClipMoe.Model.Images;

/// <summary>
/// Pillow's coefficients for resizing one dimension (libImaging/Resample.c, <c>precompute_coeffs</c>): bicubic with a = −0.5, its support
/// stretched by the scale when shrinking. Only the outputs that survive the crop are computed.
/// </summary>
internal sealed class BicubicTaps
{
    /// <summary>8 bits of value and two more for overshoot leave this many of an int for the fraction.</summary>
    public const int FractionBits = 32 - 8 - 2;

    /// <summary>Vector code takes so many source pixels at once.</summary>
    public const int GroupSize = 4;

    private const double Support = 2.0;
    private const int MaxKept = 128;

    private static readonly ConcurrentDictionary<(int SourceSize, int ResultSize, int First, int Count), BicubicTaps> Kept = new();

    private BicubicTaps(int sourceSize, int resultSize, int first, int count)
    {
        var scale = (double)sourceSize / resultSize;
        var stretch = Math.Max(scale, 1.0);
        var support = Support * stretch;
        var inverse = 1.0 / stretch;
        Count = count;

        Stride = ((int)Math.Ceiling(support) * 2 + GroupSize) / GroupSize * GroupSize;
        Starts = new int[count];
        Lengths = new int[count];
        Exact = new double[count * Stride];
        Fixed = new int[count * Stride];
        Split = new short[count * Stride * 8];
        for (var i = 0; i < count; i++)
        {
            var center = (first + i + 0.5) * scale;
            var start = Math.Max(0, (int)(center - support + 0.5));
            var length = Math.Min(sourceSize, (int)(center + support + 0.5)) - start;
            (Starts[i], Lengths[i]) = (start, length);

            var taps = Exact.AsSpan(i * Stride, length);
            var sum = 0.0;
            for (var x = 0; x < length; x++) sum += taps[x] = Bicubic((x + start - center + 0.5) * inverse);
            for (var x = 0; x < length; x++)
            {
                if (sum != 0.0) taps[x] /= sum;
                Fixed[i * Stride + x] = (int)((taps[x] < 0 ? -0.5 : 0.5) + taps[x] * (1 << FractionBits));
            }

            for (var x = 0; x < length; x++) SetSplit(i * Stride + x, Fixed[i * Stride + x]);
        }
    }

    /// <summary>Outputs.</summary>
    public int Count { get; }

    /// <summary>Places for the coefficients of one output; those behind its length are 0.</summary>
    public int Stride { get; }

    /// <summary>For each output, the first source position that contributes; never decreasing.</summary>
    public int[] Starts { get; }

    /// <summary>For each output, how many source positions contribute.</summary>
    public int[] Lengths { get; }

    /// <summary>[Count, Stride]</summary>
    public double[] Exact { get; }

    /// <summary>[Count, Stride], fixed point with <see cref="FractionBits"/>.</summary>
    public int[] Fixed { get; }

    /// <summary>
    /// <see cref="Fixed"/> as 16-bit parts for multiply-add instructions: for each output and each group of four source pixels, 16 times
    /// value ≫ 8, then 16 times value ∧ 255; among the 16, pixels 0 and 1 alternate for four channels, then pixels 2 and 3.
    /// </summary>
    public short[] Split { get; }

    public int SourceStart => Starts[0];

    public int SourceEnd => Starts[^1] + Lengths[^1];

    /// <summary>The coefficients for one dimension of an image. Some are kept: most images of a data set share a few sizes.</summary>
    /// <param name="sourceSize">Pixels before.</param>
    /// <param name="resultSize">Pixels after.</param>
    /// <param name="first">First output wanted.</param>
    /// <param name="count">Number of outputs wanted.</param>
    public static BicubicTaps For(int sourceSize, int resultSize, int first, int count)
    {
        if (Kept.Count >= MaxKept) Kept.Clear();
        return Kept.GetOrAdd((sourceSize, resultSize, first, count), k => new BicubicTaps(k.SourceSize, k.ResultSize, k.First, k.Count));
    }

    private void SetSplit(int tap, int value)
    {
        const int partLength = 4 * GroupSize;
        var (group, pixel) = Math.DivRem(tap, GroupSize);
        for (var channel = 0; channel < 4; channel++)
        {
            var at = 2 * partLength * group + pixel / 2 * 8 + channel * 2 + pixel % 2;
            (Split[at], Split[at + partLength]) = ((short)(value >> 8), (short)(value & 255));
        }
    }

    private static double Bicubic(double x)
    {
        const double a = -0.5;
        x = Math.Abs(x);
        return x < 1.0 ? ((a + 2.0) * x - (a + 3.0)) * x * x + 1
            : x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a
            : 0.0;
    }
}
