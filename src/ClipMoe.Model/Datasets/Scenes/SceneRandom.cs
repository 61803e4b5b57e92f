namespace ClipMoe.Model.Datasets.Scenes;

/// <summary>SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every platform and runtime, for ever.</summary>
internal struct SceneRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        var z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 … <paramref name="bound"/>−1, with a bias below bound / 2⁶⁴.</summary>
    public int Below(int bound) => (int)Math.BigMul(Next(), (ulong)bound, out _);

    public int Between(int low, int high) => low + Below(high - low + 1);

    /// <summary>A generator of its own for one sample, so that samples can be made in any order.</summary>
    public static SceneRandom ForSample(ulong seed, int combination)
    {
        var mix = new SceneRandom(seed);
        return new SceneRandom(mix.Next() ^ new SceneRandom((ulong)combination).Next());
    }
}
