namespace ClipMoe.Model.Sampling;

/// <summary>
/// Where the samples of each cluster lie: how many in which shard, from which place of the shard's sorted samples on. It holds nothing per
/// sample; see <see cref="LabelIndexFile"/> for its file, which all processes open.
/// </summary>
public sealed class LabelIndex
{
    private const int HashBytes = 32;

    internal LabelIndex(ShardLayout layout, int clusters, int stages, long[] labels, int[] sizes, LabelRuns runs, byte[] hashes)
    {
        (Layout, Clusters, Stages, Labels, Sizes, Runs, Hashes) = (layout, clusters, stages, labels, sizes, runs, hashes);
    }

    public ShardLayout Layout { get; }

    /// <summary>k.</summary>
    public int Clusters { get; }

    public int Stages { get; }

    /// <summary>The distinct accumulated labels that occur, ascending; a cluster is an index into them.</summary>
    public IReadOnlyList<long> Labels { get; }

    /// <summary>Number of samples with each of <see cref="Labels"/>.</summary>
    public IReadOnlyList<int> Sizes { get; }

    /// <summary>Samples of each of the latest stage's joint clusters, whatever their labels before, largest first.</summary>
    public IReadOnlyList<int> JointSizes =>
        [.. Labels.Zip(Sizes).GroupBy(c => c.First % ((long)Clusters * Clusters), c => c.Second).Select(c => c.Sum()).OrderDescending()];

    internal LabelRuns Runs { get; }

    /// <summary>[shards, 32] SHA-256 of the shards' files.</summary>
    internal byte[] Hashes { get; }

    /// <summary>From what the shards' labellers said of them, in any order.</summary>
    /// <exception cref="ArgumentException">A shard is missing, was given twice, or has another number of samples or stages.</exception>
    public static LabelIndex Create(ShardLayout layout, int clusters, IEnumerable<LabeledShard> labeled)
    {
        var shards = labeled.OrderBy(s => s.Shard).ToList();
        Check(layout, shards);
        long[] labels = [.. shards.SelectMany(s => s.Labels).Distinct().Order()];
        var clusterOf = new Dictionary<long, int>(labels.Length);
        for (var c = 0; c < labels.Length; c++) clusterOf.Add(labels[c], c);

        var firsts = new int[labels.Length + 1];
        foreach (var label in shards.SelectMany(s => s.Labels)) firsts[clusterOf[label] + 1]++;
        for (var c = 0; c < labels.Length; c++) firsts[c + 1] += firsts[c];

        var (next, sizes) = (firsts.ToArray(), new int[labels.Length]);
        var runs = new LabelRuns(firsts, new ushort[firsts[^1]], new int[firsts[^1]], new ushort[firsts[^1]]);
        foreach (var shard in shards)
        {
            for (var (i, position) = (0, 0); i < shard.Labels.Count; i++)
            {
                var cluster = clusterOf[shard.Labels[i]];
                var run = next[cluster]++;
                (runs.Shards[run], runs.Before[run], runs.Positions[run]) = ((ushort)shard.Shard, sizes[cluster], (ushort)position);
                sizes[cluster] += shard.Sizes[i];
                position += shard.Sizes[i];
            }
        }

        return new LabelIndex(
            layout, clusters, shards[0].Stages, labels, sizes, runs, [.. shards.SelectMany(s => Convert.FromHexString(s.Sha256))]);
    }

    /// <summary>
    /// The shard that holds the sample at <paramref name="index"/> of a cluster, and its place in the shard's sorted samples.
    /// </summary>
    public (int Shard, int Position) Find(int cluster, int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Sizes[cluster], nameof(index));
        var (first, end) = (Runs.Firsts[cluster], Runs.Firsts[cluster + 1]);
        // The last run with no more samples before it; what is not found is the complement of where it would be.
        var found = Array.BinarySearch(Runs.Before, first, end - first, index);
        var run = found >= 0 ? found : ~found - 1;
        return (Runs.Shards[run], Runs.Positions[run] + index - Runs.Before[run]);
    }

    /// <summary>SHA-256 of a shard's file in lower-case hexadecimal.</summary>
    public string Sha256(int shard) => Convert.ToHexStringLower(Hashes.AsSpan(shard * HashBytes, HashBytes));

    private static void Check(ShardLayout layout, List<LabeledShard> shards)
    {
        const int most = ushort.MaxValue + 1;
        if (layout.Count > most || layout.ShardSize > most)
            throw new ArgumentException($"{layout.Count} shards of {layout.ShardSize} samples: neither may be above {most}, to be told " +
                $"in 16 bits");
        if (!shards.Select(s => s.Shard).SequenceEqual(Enumerable.Range(0, layout.Count)))
            throw new ArgumentException($"the {shards.Count} labeled shards are not the {layout.Count} of the data set");
        foreach (var shard in shards)
        {
            var (first, end) = layout[shard.Shard];
            if (shard.Sizes.Sum() != end - first || shard.Stages != shards[0].Stages)
                throw new ArgumentException($"shard {shard.Shard} has labels of {shard.Sizes.Sum()} samples after {shard.Stages} stages");
        }
    }
}

/// <summary>What one shard holds of one cluster is a run; runs are sorted by cluster, then by shard, and take 8 bytes each.</summary>
/// <param name="Firsts">[clusters + 1] the first run of each cluster.</param>
/// <param name="Shards">[runs] the shard.</param>
/// <param name="Before">[runs] samples of the cluster in earlier shards.</param>
/// <param name="Positions">[runs] where the run begins in the shard's sorted samples.</param>
internal sealed record LabelRuns(int[] Firsts, ushort[] Shards, int[] Before, ushort[] Positions);
