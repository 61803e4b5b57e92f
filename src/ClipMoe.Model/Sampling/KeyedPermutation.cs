using System.Numerics;

namespace ClipMoe.Model.Sampling;

/// <summary>
/// A random permutation of 0 … count−1 that is computed one element at a time and stored nowhere, so that the order of 100 million samples
/// costs no memory and any position of it is read without the ones before. It is the swap-or-not shuffle (Hoang, Morris and Rogaway,
/// CRYPTO 2012), which needs no rounding of the domain to a power of two.
/// </summary>
public readonly struct KeyedPermutation
{
    private readonly RandomKey _key;
    private readonly int _rounds;

    public KeyedPermutation(RandomKey key, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        _key = key;
        Count = count;
        // A round halves, on average, what tells an element's place from a uniform one; 4 log₂ n plus a margin for tiny n is ample for a shuffle.
        _rounds = 16 + 4 * (32 - BitOperations.LeadingZeroCount((uint)count));
    }

    public int Count { get; }

    /// <summary>The element at <paramref name="position"/>, both in [0, <see cref="Count"/>).</summary>
    public int this[int position]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)position, (uint)Count, nameof(position));
            var x = position;
            for (var round = 0; round < _rounds; round++)
            {
                var partner = _key.Below(round, Count) - x;
                if (partner < 0) partner += Count;
                if ((Coins(round).Bits(Math.Max(x, partner)) & 1) != 0) x = partner;
            }
            return x;
        }
    }

    private RandomKey Coins(int round) => _key.Derive(round);
}
