using System.Numerics;

namespace ClipMoe.Model.Numerics;

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
        // A round halves, on average, what tells an element's place from a uniform one; 4 log₂ n plus a margin for tiny n is ample for a
        // shuffle.
        _rounds = 16 + 4 * (32 - BitOperations.LeadingZeroCount((uint)count));
    }

    public int Count { get; }

    /// <summary>The element at <paramref name="position"/>, both in [0, <see cref="Count"/>).</summary>
    public int this[int position]
    {
        get
        {
            var element = 0;
            Read(position, new Span<int>(ref element));
            return element;
        }
    }

    /// <summary>
    /// The elements at a run of positions. Going through it round by round is several times as fast as one element at a time.
    /// </summary>
    public void Read(int position, Span<int> elements)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)position, (uint)Count, nameof(position));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elements.Length, Count - position, nameof(position));
        for (var i = 0; i < elements.Length; i++) elements[i] = position + i;
        for (var round = 0; round < _rounds && !elements.IsEmpty; round++)
        {
            var (sum, coins) = (_key.Below(round, Count), _key.Derive(round));
            for (var i = 0; i < elements.Length; i++)
            {
                // Without branches, of which a coin's would be mispredicted half of the time.
                var x = elements[i];
                var partner = sum - x;
                partner += Count & (partner >> 31);
                var coin = (int)(coins.Bits(Math.Max(x, partner)) & 1);
                elements[i] = x ^ ((x ^ partner) & -coin);
            }
        }
    }
}
