using System.IO.Hashing;
using System.Text;

namespace ClipMoe.Model.Parameters;

/// <summary>
/// Initial values that depend on (seed, parameter name, element) alone: not on where the model computes, no order of calls, and no other
/// parameter of the model. Normal values pass through the C library's logarithm and sine, whose last bit may differ between processors.
/// </summary>
public static class ParameterInitialization
{
    /// <summary>Fills with the parameter's initial distribution.</summary>
    public static void Fill(ParameterSpec spec, ulong seed, Span<float> destination)
    {
        switch (spec.Initial)
        {
            case InitialValues.Zeros: destination.Clear(); break;
            case InitialValues.Ones: destination.Fill(1); break;
            case InitialValues.Constant: destination.Fill((float)spec.Scale); break;
            case InitialValues.Normal: Normal(Key(seed, spec.Name), spec.Scale, destination); break;
            case InitialValues.Uniform: Uniform(Key(seed, spec.Name), spec.Scale, destination); break;
        }
    }

    private static ulong Key(ulong seed, string name) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(name), (long)seed);

    private static void Uniform(ulong key, double bound, Span<float> destination)
    {
        for (var i = 0; i < destination.Length; i++) destination[i] = (float)(bound * (2 * Unit(key, (ulong)i) - 1));
    }

    /// <summary>Box and Muller's transform of two uniform values per pair of elements.</summary>
    private static void Normal(ulong key, double deviation, Span<float> destination)
    {
        for (var i = 0; i < destination.Length; i += 2)
        {
            var radius = deviation * Math.Sqrt(-2 * Math.Log(1 - Unit(key, (ulong)i)));
            var (sin, cos) = Math.SinCos(2 * Math.PI * Unit(key, (ulong)i + 1));
            destination[i] = (float)(radius * cos);
            if (i + 1 < destination.Length) destination[i + 1] = (float)(radius * sin);
        }
    }

    /// <summary>The i-th value in [0, 1) of a SplitMix64 stream.</summary>
    private static double Unit(ulong key, ulong i)
    {
        var z = key + (i + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }
}
