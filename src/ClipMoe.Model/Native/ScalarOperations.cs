using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Native;

/// <summary>
/// Operations with numbers. TorchSharp hands a number's native object to libtorch without keeping it alive, and makes one for every
/// <c>a + b</c> of tensors too: a garbage collection at that moment frees what libtorch is reading (seen: an exception from
/// <c>Scalar::toFloat</c>, once in thousands of steps). Here numbers live until libtorch has returned. Products, differences and quotients
/// of two tensors take no number.
/// </summary>
internal static class ScalarOperations
{
    private static readonly Scalar One = 1.ToScalar();

    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, One);

    public static Tensor PlusInPlace(this Tensor a, Tensor b) => a.add_(b, One);

    public static Tensor PlusInPlace(this Tensor a, double b)
    {
        using var number = b.ToScalar();
        return a.add_(number, One);
    }

    public static Tensor Times(this Tensor a, double b)
    {
        using var number = b.ToScalar();
        return a.mul(number);
    }

    public static Tensor TimesInPlace(this Tensor a, double b)
    {
        using var number = b.ToScalar();
        return a.mul_(number);
    }

    public static Tensor OverInPlace(this Tensor a, double b)
    {
        using var number = b.ToScalar();
        return a.div_(number);
    }

    public static Tensor AtMostInPlace(this Tensor a, double b)
    {
        using var number = b.ToScalar();
        return a.clamp_(max: number);
    }

    /// <summary>Adds rows of <paramref name="source"/> to the rows of <paramref name="a"/> that <paramref name="rows"/> names.</summary>
    public static Tensor AddRowsInPlace(this Tensor a, Tensor rows, Tensor source) => a.index_add_(0, rows, source, One);

    public static Tensor Filled(ReadOnlySpan<long> shape, double value, ScalarType type, Device device)
    {
        using var number = value.ToScalar();
        return full(shape, number, type, device);
    }
}
