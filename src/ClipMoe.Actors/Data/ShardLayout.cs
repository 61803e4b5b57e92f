namespace ClipMoe.Actors.Data;

/// <summary>The training samples cut into runs of equal length (the last may be shorter), independent of the number of workers.</summary>
public sealed record ShardLayout(int Samples, int ShardSize)
{
    public int Count => (Samples + ShardSize - 1) / ShardSize;

    /// <summary>Positions in the training set: first inclusive, end exclusive.</summary>
    public (int First, int End) this[int shard] => (shard * ShardSize, Math.Min(Samples, (shard + 1) * ShardSize));
}
