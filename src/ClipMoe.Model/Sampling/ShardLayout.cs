namespace ClipMoe.Model.Sampling;

/// <summary>
/// The training samples cut into runs of equal length (the last may be shorter), independent of the number of workers: what features and
/// labels are made, stored and leased by.
/// </summary>
public sealed record ShardLayout(int Samples, int ShardSize)
{
    /// <summary>Enough to keep a device busy, few enough that a lost lease costs little; a leaf of k-means.</summary>
    private const int SmallestShard = 1024;

    /// <summary>Offsets within a shard fit in 16 bits.</summary>
    private const int LargestShard = 65_536;

    /// <summary>Shards grow before there are more of them, so that files, facts in the journal and tables stay few.</summary>
    private const int ManyShards = 16_384;

    /// <summary>
    /// The layout of every data set of this size: at most 16,384 shards up to a billion samples, 32,768 of 65,536 at 2³¹.
    /// </summary>
    public static ShardLayout For(int samples)
    {
        var size = SmallestShard;
        while (size < LargestShard && (long)size * ManyShards < samples) size *= 2;
        return new ShardLayout(samples, size);
    }

    public int Count => (int)(((long)Samples + ShardSize - 1) / ShardSize);

    /// <summary>Positions in the training set: first inclusive, end exclusive.</summary>
    public (int First, int End) this[int shard] => (shard * ShardSize, (int)Math.Min(Samples, (shard + 1L) * ShardSize));
}
