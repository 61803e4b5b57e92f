using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ClipMoe.Model.Images;

/// <summary>The two passes of a resize over rows of 32-bit pixels.</summary>
internal interface IResampleKernel
{
    /// <summary>Shrinks or stretches one row.</summary>
    /// <param name="row">The row, with <see cref="BicubicTaps.GroupSize"/> more pixels of any value behind it.</param>
    /// <param name="taps">One output per pixel of <paramref name="result"/>.</param>
    /// <param name="result">Receives the row.</param>
    static abstract void Horizontal(ReadOnlySpan<uint> row, BicubicTaps taps, Span<uint> result);

    /// <summary>Sums rows that follow each other.</summary>
    /// <param name="rows">The rows that contribute to the output, each as wide as <paramref name="result"/>.</param>
    /// <param name="taps">The coefficients.</param>
    /// <param name="output">Which of the outputs.</param>
    /// <param name="result">Receives the row.</param>
    static abstract void Vertical(ReadOnlySpan<uint> rows, BicubicTaps taps, int output, Span<uint> result);
}

/// <summary>
/// Four bytes per pixel, fixed-point sums, a result rounded to bytes after each pass: Pillow's <c>ImagingResample*_8bpc</c>. Integer sums
/// have no order, so the vector code (AVX2) and the scalar code give the same bytes. Variants for AVX-512 were no faster.
/// </summary>
internal sealed unsafe class ByteKernel : IResampleKernel
{
    private const int Half = 1 << (BicubicTaps.FractionBits - 1);

    /// <inheritdoc/>
    /// <remarks>Compiled with all optimizations at once: while the runtime still counts calls, vector code is slower than scalar
    /// code.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Horizontal(ReadOnlySpan<uint> row, BicubicTaps taps, Span<uint> result)
    {
        if (!Avx2.IsSupported)
        {
            HorizontalScalar(row, taps, result);
            return;
        }

        // Two pixels in each half, their channels side by side as 16-bit numbers (index 255 gives the upper byte 0).
        var pairs = Vector256.Create(
            (byte)0, 255, 4, 255, 1, 255, 5, 255, 2, 255, 6, 255, 3, 255, 7, 255,
            8, 255, 12, 255, 9, 255, 13, 255, 10, 255, 14, 255, 11, 255, 15, 255);
        ArgumentOutOfRangeException.ThrowIfLessThan(row.Length, taps.SourceEnd + BicubicTaps.GroupSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(result.Length, taps.Count);
        fixed (uint* source = row)
        fixed (short* split = taps.Split)
        {
            for (var x = 0; x < result.Length; x++)
            {
                var pixels = source + taps.Starts[x];
                var end = pixels + taps.Lengths[x];
                var weights = split + x * taps.Stride * 8;
                var (high, low) = (Vector256<int>.Zero, Vector256<int>.Zero);
                for (; pixels < end; pixels += BicubicTaps.GroupSize, weights += 32)
                {
                    var values = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256((byte*)pixels), pairs).AsInt16();
                    high += Avx2.MultiplyAddAdjacent(values, Vector256.Load(weights));
                    low += Avx2.MultiplyAddAdjacent(values, Vector256.Load(weights + 16));
                }

                var sum = (high << 8) + low;
                var rounded = (sum.GetLower() + sum.GetUpper() + Vector128.Create(Half)) >> BicubicTaps.FractionBits;
                var words = Sse2.PackSignedSaturate(rounded, rounded);
                result[x] = Sse2.PackUnsignedSaturate(words, words).AsUInt32().ToScalar();
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>Compiled as <see cref="Horizontal"/> is.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vertical(ReadOnlySpan<uint> rows, BicubicTaps taps, int output, Span<uint> result)
    {
        var x = 0;
        if (Avx2.IsSupported)
        {
            var k = taps.Fixed.AsSpan(output * taps.Stride, taps.Lengths[output]);
            ArgumentOutOfRangeException.ThrowIfLessThan(rows.Length, k.Length * result.Length);
            fixed (uint* source = rows)
            {
                for (; x + 4 <= result.Length; x += 4)
                {
                    var (low, high) = (Vector256.Create(Half), Vector256.Create(Half));
                    var pixels = (byte*)(source + x);
                    foreach (var weight in k)
                    {
                        low += Avx2.ConvertToVector256Int32(pixels) * Vector256.Create(weight);
                        high += Avx2.ConvertToVector256Int32(pixels + 8) * Vector256.Create(weight);
                        pixels += result.Length * sizeof(uint);
                    }

                    // Packing works within 128-bit halves: 0 2 1 3 puts the pixels back in order.
                    var words = Avx2.PackSignedSaturate(low >> BicubicTaps.FractionBits, high >> BicubicTaps.FractionBits);
                    var ordered = Avx2.Permute4x64(words.AsInt64(), 0b11_01_10_00).AsInt16();
                    Sse2.PackUnsignedSaturate(ordered.GetLower(), ordered.GetUpper()).AsUInt32().CopyTo(result[x..]);
                }
            }
        }

        VerticalScalar(rows, taps, output, result, x);
    }

    internal static void HorizontalScalar(ReadOnlySpan<uint> row, BicubicTaps taps, Span<uint> result)
    {
        for (var x = 0; x < result.Length; x++)
        {
            var pixels = row.Slice(taps.Starts[x], taps.Lengths[x]);
            var k = taps.Fixed.AsSpan(x * taps.Stride, pixels.Length);
            int c0 = Half, c1 = Half, c2 = Half, c3 = Half;
            for (var i = 0; i < pixels.Length; i++)
            {
                c0 += (byte)pixels[i] * k[i];
                c1 += (byte)(pixels[i] >> 8) * k[i];
                c2 += (byte)(pixels[i] >> 16) * k[i];
                c3 += (byte)(pixels[i] >> 24) * k[i];
            }

            result[x] = Pack(c0, c1, c2, c3);
        }
    }

    internal static void VerticalScalar(ReadOnlySpan<uint> rows, BicubicTaps taps, int output, Span<uint> result, int first = 0)
    {
        var k = taps.Fixed.AsSpan(output * taps.Stride, taps.Lengths[output]);
        for (var x = first; x < result.Length; x++)
        {
            int c0 = Half, c1 = Half, c2 = Half, c3 = Half;
            for (var i = 0; i < k.Length; i++)
            {
                var pixel = rows[i * result.Length + x];
                c0 += (byte)pixel * k[i];
                c1 += (byte)(pixel >> 8) * k[i];
                c2 += (byte)(pixel >> 16) * k[i];
                c3 += (byte)(pixel >> 24) * k[i];
            }

            result[x] = Pack(c0, c1, c2, c3);
        }
    }

    private static uint Pack(int c0, int c1, int c2, int c3) => Clip(c0) | (Clip(c1) << 8) | (Clip(c2) << 16) | (Clip(c3) << 24);

    private static uint Clip(int sum) => (uint)Math.Clamp(sum >> BicubicTaps.FractionBits, 0, 255);
}

/// <summary>
/// One integer per pixel, fp64 sums in order, a result rounded to an integer after each pass: Pillow's <c>ImagingResample*_32bpc</c>.
/// </summary>
internal sealed class WideKernel : IResampleKernel
{
    public static void Horizontal(ReadOnlySpan<uint> row, BicubicTaps taps, Span<uint> result)
    {
        for (var x = 0; x < result.Length; x++)
        {
            var pixels = MemoryMarshal.Cast<uint, int>(row.Slice(taps.Starts[x], taps.Lengths[x]));
            var k = taps.Exact.AsSpan(x * taps.Stride, pixels.Length);
            var sum = 0.0;
            for (var i = 0; i < pixels.Length; i++) sum += pixels[i] * k[i];
            result[x] = Round(sum);
        }
    }

    public static void Vertical(ReadOnlySpan<uint> rows, BicubicTaps taps, int output, Span<uint> result)
    {
        var k = taps.Exact.AsSpan(output * taps.Stride, taps.Lengths[output]);
        for (var x = 0; x < result.Length; x++)
        {
            var sum = 0.0;
            for (var i = 0; i < k.Length; i++) sum += (int)rows[i * result.Length + x] * k[i];
            result[x] = Round(sum);
        }
    }

    private static uint Round(double value) => (uint)(int)(value >= 0.0 ? value + 0.5 : value - 0.5);
}
