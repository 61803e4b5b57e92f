namespace ClipMoe.Model.Numerics;

/// <summary>
/// A counter-based source of random numbers: each number is a function of (key, index), so there is no state to save, and the numbers are
/// the same on every platform and .NET version. The mixing function is SplitMix64's (Steele, Lea and Flood 2014, Stafford's variant 13).
/// </summary>
public readonly record struct RandomKey
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    private readonly ulong _value;

    private RandomKey(ulong value) => _value = value;

    public static RandomKey FromSeed(ulong seed) => new(Mix(seed + Golden));

    /// <summary>An independent key for a part of the work, for instance a stage, then an epoch of it, then a cluster.</summary>
    public RandomKey Derive(long part) => new(Mix(_value ^ Mix((ulong)part + Golden)));

    /// <summary>64 random bits.</summary>
    public ulong Bits(long index) => Mix(_value + Golden * ((ulong)index + 1));

    /// <summary>Uniform in [0, 1), with 53 random bits.</summary>
    public double Unit(long index) => (Bits(index) >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [0, bound). The bias of the multiplication is below bound / 2⁶⁴.</summary>
    public int Below(long index, int bound)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        return (int)Math.BigMul(Bits(index), (ulong)bound, out _);
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
