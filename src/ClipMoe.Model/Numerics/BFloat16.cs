using System.Numerics;
using System.Runtime.InteropServices;

namespace ClipMoe.Model.Numerics;

/// <summary>fp32 to and from bfloat16, the upper half of its bits.</summary>
public static class BFloat16
{
    /// <summary>Rounds to nearest, ties to even. What is no number stays none.</summary>
    public static void Round(ReadOnlySpan<float> values, Span<ushort> rounded)
    {
        var bits = MemoryMarshal.Cast<float, uint>(values);
        var i = 0;
        for (; i <= bits.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            var narrow = Vector.Narrow(Round(new Vector<uint>(bits[i..])), Round(new Vector<uint>(bits[(i + Vector<uint>.Count)..])));
            narrow.CopyTo(rounded[i..]);
        }

        for (; i < bits.Length; i++) rounded[i] = (ushort)Round(new Vector<uint>(bits[i]))[0];
    }

    /// <summary>Rounds, and keeps the result in fp32; in place, too.</summary>
    public static void Round(ReadOnlySpan<float> values, Span<float> rounded)
    {
        var bits = MemoryMarshal.Cast<float, uint>(values);
        var target = MemoryMarshal.Cast<float, uint>(rounded);
        var i = 0;
        for (; i <= bits.Length - Vector<uint>.Count; i += Vector<uint>.Count)
            (Round(new Vector<uint>(bits[i..])) << 16).CopyTo(target[i..]);
        for (; i < bits.Length; i++) target[i] = Round(new Vector<uint>(bits[i]))[0] << 16;
    }

    public static void Widen(ReadOnlySpan<ushort> values, Span<float> widened)
    {
        var bits = MemoryMarshal.Cast<float, uint>(widened);
        var i = 0;
        for (; i <= values.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(values[i..]), out var low, out var high);
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        for (; i < values.Length; i++) bits[i] = (uint)values[i] << 16;
    }

    private static Vector<uint> Round(Vector<uint> bits)
    {
        var nearest = bits + new Vector<uint>(0x7FFF) + (bits >>> 16 & Vector<uint>.One);
        // Rounding could carry a NaN into an infinity; setting a bit of its upper half keeps it one.
        var isNaN = Vector.GreaterThan(bits & new Vector<uint>(0x7FFF_FFFF), new Vector<uint>(0x7F80_0000));
        return Vector.ConditionalSelect(isNaN, bits | new Vector<uint>(0x40_0000), nearest) >>> 16;
    }
}
