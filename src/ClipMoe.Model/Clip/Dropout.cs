using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ClipMoe.Model.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

/// <summary>
/// Dropout of the experts' hidden values. Which values are dropped depends on the key and on the order of the calls. On a processor the
/// masks are made here: libtorch draws them one by one, which took a tenth of a training step.
/// </summary>
/// <param name="probability">Probability of being dropped, in [0, 1).</param>
internal sealed class Dropout(double probability, RandomKey key, Device device) : IDisposable
{
    private const int Lanes = 32;

    private readonly Generator? _generator =
        device.type == DeviceType.CPU ? null : new Generator((ulong)key.Bits(0), device);

    private long _drawn;

    /// <summary>Expected part of the values that stay. Users of the values divide by it.</summary>
    public double Kept => 1 - probability;

    /// <summary>Zeroes values in place.</summary>
    public void Drop(Tensor values)
    {
        var mask = empty(values.shape, ScalarType.BFloat16, device);
        if (_generator is null) Fill(MemoryMarshal.Cast<byte, ushort>(mask.bytes));
        else mask.bernoulli_(Kept, _generator);
        values.mul_(mask);
    }

    public void Dispose() => _generator?.Dispose();

    /// <summary>Zeros and ones in bf16, 32 at a time; each 64 random bits (SplitMix64, as <see cref="RandomKey"/>) decide four.</summary>
    private void Fill(Span<ushort> mask)
    {
        const ulong golden = 0x9E3779B97F4A7C15;
        const ushort one = 0x3F80;
        var lowestKept = Vector512.Create((ushort)Math.Round(probability * (1 << 16)));
        var counter = Vector512.Create(key.Bits(++_drawn)) + Vector512<ulong>.Indices * golden;
        for (var at = 0; at < mask.Length; at += Lanes, counter += Vector512.Create(unchecked(golden * (ulong)Vector512<ulong>.Count)))
        {
            var kept = Vector512.GreaterThanOrEqual(Mix(counter).AsUInt16(), lowestKept) & Vector512.Create(one);
            if (mask.Length - at >= Lanes) kept.CopyTo(mask[at..]);
            else for (var lane = 0; at + lane < mask.Length; lane++) mask[at + lane] = kept[lane];
        }
    }

    private static Vector512<ulong> Mix(Vector512<ulong> z)
    {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EB;
        return z ^ (z >>> 31);
    }
}
