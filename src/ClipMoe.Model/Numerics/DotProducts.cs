using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ClipMoe.Model.Numerics;

/// <summary>
/// fp32 dot products whose bits depend on the two vectors alone: not on the block they are computed in, the number of threads, or the
/// processor. Equal rows therefore tie exactly, and work may be cut anywhere. Eight running sums go over the dimensions in order.
/// </summary>
internal static unsafe class DotProducts
{
    private const int Width = 8;

    // Inlined into the loop over tiles, the sums would not stay in registers; and these few loops deserve no warm-up.
    private const MethodImplOptions Kernel = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;

    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        if (a.Length != b.Length) throw new ArgumentException($"vectors of {a.Length} and {b.Length} dimensions");
        fixed (float* pa = a, pb = b) return Single(pa, pb, a.Length);
    }

    /// <summary>products[r, c] = rows[r] · columns[c].</summary>
    /// <param name="rows">[n, dimension].</param>
    /// <param name="columns">[m, dimension].</param>
    /// <param name="dimension">D.</param>
    /// <param name="products">[n, m].</param>
    public static void Products(ReadOnlySpan<float> rows, ReadOnlySpan<float> columns, int dimension, Span<float> products)
    {
        var (n, m) = (rows.Length / dimension, columns.Length / dimension);
        if (products.Length < (long)n * m) throw new ArgumentException($"room for {products.Length} products of {n} × {m}");
        fixed (float* pr = rows, pc = columns, pp = products)
        {
            var r = 0;
            for (; r + 4 <= n; r += 4)
            {
                var c = 0;
                for (; c + 3 <= m; c += 3)
                    FourByThree(pr + (long)r * dimension, pc + (long)c * dimension, dimension, pp + (long)r * m + c, m);
                for (; c < m; c++)
                    FourByOne(pr + (long)r * dimension, pc + (long)c * dimension, dimension, pp + (long)r * m + c, m);
            }

            for (; r < n; r++)
            {
                for (var c = 0; c < m; c++) pp[(long)r * m + c] = Single(pr + (long)r * dimension, pc + (long)c * dimension, dimension);
            }
        }
    }

    /// <summary>Twelve sums, three columns and a row fill the sixteen registers of AVX2.</summary>
    [MethodImpl(Kernel)]
    private static void FourByThree(float* rows, float* columns, int dimension, float* products, int stride)
    {
        float* r0 = rows, r1 = r0 + dimension, r2 = r1 + dimension, r3 = r2 + dimension;
        float* c0 = columns, c1 = c0 + dimension, c2 = c1 + dimension;
        Vector256<float> s00 = default, s01 = default, s02 = default, s10 = default, s11 = default, s12 = default;
        Vector256<float> s20 = default, s21 = default, s22 = default, s30 = default, s31 = default, s32 = default;
        var d = 0;
        for (; d + Width <= dimension; d += Width)
        {
            var (v0, v1, v2) = (Vector256.Load(c0 + d), Vector256.Load(c1 + d), Vector256.Load(c2 + d));
            var row = Vector256.Load(r0 + d);
            s00 = Vector256.FusedMultiplyAdd(row, v0, s00);
            s01 = Vector256.FusedMultiplyAdd(row, v1, s01);
            s02 = Vector256.FusedMultiplyAdd(row, v2, s02);
            row = Vector256.Load(r1 + d);
            s10 = Vector256.FusedMultiplyAdd(row, v0, s10);
            s11 = Vector256.FusedMultiplyAdd(row, v1, s11);
            s12 = Vector256.FusedMultiplyAdd(row, v2, s12);
            row = Vector256.Load(r2 + d);
            s20 = Vector256.FusedMultiplyAdd(row, v0, s20);
            s21 = Vector256.FusedMultiplyAdd(row, v1, s21);
            s22 = Vector256.FusedMultiplyAdd(row, v2, s22);
            row = Vector256.Load(r3 + d);
            s30 = Vector256.FusedMultiplyAdd(row, v0, s30);
            s31 = Vector256.FusedMultiplyAdd(row, v1, s31);
            s32 = Vector256.FusedMultiplyAdd(row, v2, s32);
        }

        products[0] = Finish(s00, r0, c0, d, dimension);
        products[1] = Finish(s01, r0, c1, d, dimension);
        products[2] = Finish(s02, r0, c2, d, dimension);
        products += stride;
        products[0] = Finish(s10, r1, c0, d, dimension);
        products[1] = Finish(s11, r1, c1, d, dimension);
        products[2] = Finish(s12, r1, c2, d, dimension);
        products += stride;
        products[0] = Finish(s20, r2, c0, d, dimension);
        products[1] = Finish(s21, r2, c1, d, dimension);
        products[2] = Finish(s22, r2, c2, d, dimension);
        products += stride;
        products[0] = Finish(s30, r3, c0, d, dimension);
        products[1] = Finish(s31, r3, c1, d, dimension);
        products[2] = Finish(s32, r3, c2, d, dimension);
    }

    [MethodImpl(Kernel)]
    private static void FourByOne(float* rows, float* column, int dimension, float* products, int stride)
    {
        float* r0 = rows, r1 = r0 + dimension, r2 = r1 + dimension, r3 = r2 + dimension;
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        var d = 0;
        for (; d + Width <= dimension; d += Width)
        {
            var v = Vector256.Load(column + d);
            s0 = Vector256.FusedMultiplyAdd(Vector256.Load(r0 + d), v, s0);
            s1 = Vector256.FusedMultiplyAdd(Vector256.Load(r1 + d), v, s1);
            s2 = Vector256.FusedMultiplyAdd(Vector256.Load(r2 + d), v, s2);
            s3 = Vector256.FusedMultiplyAdd(Vector256.Load(r3 + d), v, s3);
        }

        products[0] = Finish(s0, r0, column, d, dimension);
        products[stride] = Finish(s1, r1, column, d, dimension);
        products[2 * stride] = Finish(s2, r2, column, d, dimension);
        products[3 * stride] = Finish(s3, r3, column, d, dimension);
    }

    [MethodImpl(Kernel)]
    private static float Single(float* a, float* b, int dimension)
    {
        Vector256<float> sum = default;
        var d = 0;
        for (; d + Width <= dimension; d += Width) sum = Vector256.FusedMultiplyAdd(Vector256.Load(a + d), Vector256.Load(b + d), sum);
        return Finish(sum, a, b, d, dimension);
    }

    /// <summary>
    /// Adds the eight sums in an order of ours (that of <c>Vector256.Sum</c> has changed between versions), then the remainder.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Finish(Vector256<float> sums, float* a, float* b, int d, int dimension)
    {
        var four = sums.GetLower() + sums.GetUpper();
        var two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        var total = (two + Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar();
        for (; d < dimension; d++) total = MathF.FusedMultiplyAdd(a[d], b[d], total);
        return total;
    }
}
