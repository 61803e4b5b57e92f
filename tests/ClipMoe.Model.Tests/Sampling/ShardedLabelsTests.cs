using ClipMoe.Model.Files;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Sampling;
using ClipMoe.Model.Tests.Checkpoints;

namespace ClipMoe.Model.Tests.Sampling;

public sealed class ShardedLabelsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Leftovers.Merge, BatchSchedule.RoundRobin)]
    [InlineData(Leftovers.Merge, BatchSchedule.Shuffled)]
    [InlineData(Leftovers.Drop, BatchSchedule.RoundRobin)]
    [InlineData(Leftovers.Drop, BatchSchedule.Shuffled)]
    public void The_order_is_that_of_lists_in_memory(Leftovers leftovers, BatchSchedule schedule)
    {
        for (var trial = 0; trial < 15; trial++)
        {
            var random = RandomKey.FromSeed(3).Derive(trial);
            var stages = MakeStages(random, samples: 20 + random.Below(0, 2000), clusters: 1 + random.Below(1, 3),
                stages: 1 + random.Below(2, 3));
            var batchSize = 1 + random.Below(3, 20);
            using var sharded = EpochOrder.ClusterPure(
                seed: 5, trial, Open(WriteSharded(stages, shards: 1 + random.Below(4, 9))), batchSize, leftovers, schedule);
            using var naive = EpochOrder.ClusterPure(seed: 5, trial, new ListedLabels(stages), batchSize, leftovers, schedule);

            Assert.Equal(naive.Samples, sharded.Samples);
            Assert.Equal((naive.SamplesPerEpoch, naive.BatchesPerEpoch), (sharded.SamplesPerEpoch, sharded.BatchesPerEpoch));
            for (var step = 0; step < 2 * naive.BatchesPerEpoch; step++)
            {
                var (epoch, batch) = Math.DivRem(step, naive.BatchesPerEpoch);
                Assert.Equal(naive.Batch(step), sharded.Batch(step));
                Assert.Equal(naive.ClusterOf(epoch, batch), sharded.ClusterOf(epoch, batch));
            }
        }
    }

    [Fact]
    public void Labels_of_a_shard_are_recovered_in_the_order_of_its_samples()
    {
        var stages = MakeStages(RandomKey.FromSeed(1), samples: 1000, clusters: 3, stages: 3);
        using var sharded = Open(WriteSharded(stages, shards: 7));
        var recovered = Enumerable.Range(0, 7).Select(sharded.Read).SelectMany(s => Enumerable.Range(0, s.Count).Select(i => s[i]));
        Assert.Equal(stages.Labels, recovered);
        Assert.Equal(3, sharded.Stages);
    }

    [Fact]
    public void The_index_counts_the_samples_of_the_latest_joint_clusters()
    {
        var stages = MakeStages(RandomKey.FromSeed(1), samples: 1000, clusters: 2, stages: 2);
        var path = WriteSharded(stages, shards: 3);
        var index = LabelIndexFile.Read(path, FileHash.Sha256(path));
        Assert.Equal(stages.Joint[^1].CountBy(j => j).Select(c => c.Value).OrderDescending(), index.JointSizes);
    }

    [Fact]
    public void A_damaged_or_missing_shard_is_named_when_it_is_first_touched()
    {
        var path = WriteSharded(MakeStages(RandomKey.FromSeed(1), samples: 400, clusters: 1, stages: 1), shards: 4);
        FlipLastByte(LabelIndexFile.ShardPath(path, 1));
        File.Delete(LabelIndexFile.ShardPath(path, 2));
        using var labels = Open(path);
        Assert.Equal([0, 399], new[] { labels.Sample(0, 0), labels.Sample(0, 399) });
        Assert.Contains("labels-000001.safetensors", Assert.Throws<UserErrorException>(() => labels.Sample(0, 100)).Message);
        Assert.Contains("labels-000001.safetensors", Assert.Throws<UserErrorException>(() => labels.Read(1)).Message);
        Assert.Contains("labels-000002.safetensors", Assert.Throws<UserErrorException>(() => labels.Sample(0, 299)).Message);
    }

    [Fact]
    public void Another_index_than_the_one_that_was_written_is_refused()
    {
        var path = WriteSharded(MakeStages(RandomKey.FromSeed(1), samples: 40, clusters: 2, stages: 1), shards: 2);
        var sha256 = FileHash.Sha256(path);
        FlipLastByte(path);
        Assert.Contains(path, Assert.Throws<UserErrorException>(() => ShardedLabels.Open(path, sha256)).Message);
        Assert.Contains("does not exist", Assert.Throws<UserErrorException>(() => ShardedLabels.Open(path + ".away", sha256)).Message);
    }

    [Fact]
    public void An_index_needs_each_shard_once_and_whole()
    {
        var hash = new string('0', 64);
        LabeledShard Shard(int number, int samples, int stages = 1) => new(number, hash, stages, [4], [samples]);
        var layout = new ShardLayout(15, 10);
        Assert.Equal([15], LabelIndex.Create(layout, clusters: 3, [Shard(1, 5), Shard(0, 10)]).Sizes);
        Assert.Throws<ArgumentException>(() => LabelIndex.Create(layout, clusters: 3, [Shard(0, 10)]));
        Assert.Throws<ArgumentException>(() => LabelIndex.Create(layout, clusters: 3, [Shard(0, 10), Shard(0, 10), Shard(1, 5)]));
        Assert.Throws<ArgumentException>(() => LabelIndex.Create(layout, clusters: 3, [Shard(0, 10), Shard(1, 6)]));
        Assert.Throws<ArgumentException>(() => LabelIndex.Create(layout, clusters: 3, [Shard(0, 10), Shard(1, 5, stages: 2)]));
    }

    /// <summary>Joint clusters of a few stages, [stage][sample], and what they accumulate to.</summary>
    private sealed record Stages(int Clusters, IReadOnlyList<int[]> Joint)
    {
        public IReadOnlyList<long> Labels { get; } =
            [.. Enumerable.Range(0, Joint[0].Length)
                .Select(i => Joint.Aggregate(0L, (label, stage) => label * Clusters * Clusters + stage[i]))];
    }

    /// <summary>Cluster sizes from very common to rare, as k-means gives them.</summary>
    private static Stages MakeStages(RandomKey random, int samples, int clusters, int stages)
    {
        int Joint(RandomKey stage, int sample) => (int)(Math.Pow(stage.Unit(sample), 3) * clusters * clusters);
        return new Stages(
            clusters, [.. Enumerable.Range(10, stages)
                .Select(s => Enumerable.Range(0, samples).Select(i => Joint(random.Derive(s), i)).ToArray())]);
    }

    /// <summary>Shard by shard and stage by stage, as workers do it.</summary>
    /// <returns>The index of the last stage.</returns>
    private string WriteSharded(Stages stages, int shards)
    {
        var samples = stages.Labels.Count;
        var layout = new ShardLayout(samples, (samples + shards - 1) / shards);
        var folder = _folder.File(Guid.NewGuid().ToString("n"));
        ShardedLabels? previous = null;
        var path = "";
        for (var stage = 0; stage < stages.Joint.Count; stage++)
        {
            path = Path.Combine(folder, $"{stage}", "labels.safetensors");
            var labeled = new List<LabeledShard>();
            foreach (var shard in Enumerable.Range(0, layout.Count).Reverse())
            {
                var (first, end) = layout[shard];
                var before = previous?.Read(shard) ?? PseudoLabels.None(end - first, stages.Clusters);
                labeled.Add(LabelShardFile.Write(
                    LabelIndexFile.ShardPath(path, shard), shard, before.Accumulate(stages.Joint[stage].AsSpan(first, end - first))));
            }
            LabelIndexFile.Write(path, LabelIndex.Create(layout, stages.Clusters, labeled));
            previous?.Dispose();
            previous = Open(path);
        }
        previous?.Dispose();
        return path;
    }

    private static ShardedLabels Open(string path) => ShardedLabels.Open(path, FileHash.Sha256(path));

    private static void FlipLastByte(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    /// <summary>The plainest thing that can say which samples have a label.</summary>
    private sealed class ListedLabels(Stages stages) : IClusterMembers
    {
        private readonly List<List<int>> _members =
            [.. Enumerable.Range(0, stages.Labels.Count).GroupBy(i => stages.Labels[i]).OrderBy(g => g.Key).Select(g => g.ToList())];

        public int Clusters => stages.Clusters;

        public int Stages => stages.Joint.Count;

        public int Count => stages.Labels.Count;

        public IReadOnlyList<long> Labels => [.. _members.Select(m => stages.Labels[m[0]])];

        public IReadOnlyList<int> Sizes => [.. _members.Select(m => m.Count)];

        public int Sample(int cluster, int index) => _members[cluster][index];
    }
}
