using ClipMoe.Model.Numerics;
using ClipMoe.Model.Sampling;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace ClipMoe.Model.Tests.Sampling;

/// <summary>A stage's samples with their pseudo labels, and how it takes batches of them.</summary>
/// <param name="Clusters">k per modality.</param>
/// <param name="Skew">1: clusters of about the same size; more: some are common, some rare.</param>
/// <param name="ShardSize">Of the labels' shards.</param>
public sealed record OrderCase(
    int Seed, int Stage, int Epoch, int Samples, int BatchSize, int Clusters, int Stages, int Skew, int ShardSize, Leftovers Leftovers,
    BatchSchedule Schedule)
{
    public PseudoLabels Labels()
    {
        var joint = Clusters * Clusters;
        var labels = PseudoLabels.None(Samples, Clusters);
        for (var stage = 0; stage < Stages; stage++)
        {
            var key = RandomKey.FromSeed((ulong)Seed).Derive(stage);
            labels = labels.Accumulate([.. Enumerable.Range(0, Samples).Select(i => (int)(Math.Pow(key.Unit(i), Skew) * joint))]);
        }
        return labels;
    }

    /// <summary>Null: no cluster holds a whole batch, and leftovers are dropped.</summary>
    public EpochOrder? Order(IClusterMembers labels) => Leftovers == Leftovers.Drop && labels.Sizes.Max() < BatchSize
        ? null
        : EpochOrder.ClusterPure((ulong)Seed, Stage, labels, BatchSize, Leftovers, Schedule);

    public static Arbitrary<OrderCase> Any() => Arb.From(
        from seed in Gen.Choose(0, 1_000_000)
        from stage in Gen.Choose(0, 5)
        from epoch in Gen.Choose(0, 5)
        from samples in Gen.Choose(1, 400)
        from batchSize in Gen.Choose(1, 40)
        from clusters in Gen.Choose(1, 4)
        from stages in Gen.Choose(0, 3)
        from skew in Gen.Choose(1, 4)
        from shardSize in Gen.Choose(1, 100)
        from leftovers in Gen.Frequency((2, Gen.Constant(Leftovers.Merge)), (1, Gen.Constant(Leftovers.Drop)))
        from schedule in Gen.Elements(BatchSchedule.RoundRobin, BatchSchedule.Shuffled)
        select new OrderCase(seed, stage, epoch, samples, batchSize, clusters, stages, skew, shardSize, leftovers, schedule),
        Smaller);

    private static IEnumerable<OrderCase> Smaller(OrderCase c) =>
    [
        .. c.Samples.Toward(1).Select(v => c with { Samples = v }),
        .. c.BatchSize.Toward(1).Select(v => c with { BatchSize = v }),
        .. c.Stages.Toward(0).Select(v => c with { Stages = v }),
        .. c.Clusters.Toward(1).Select(v => c with { Clusters = v }),
        .. c.Skew.Toward(1).Select(v => c with { Skew = v }),
        .. c.Epoch.Toward(0).Select(v => c with { Epoch = v }),
        .. c.Stage.Toward(0).Select(v => c with { Stage = v }),
        .. c.Seed.Toward(0).Select(v => c with { Seed = v }),
    ];
}

/// <summary>Whatever the labels, the batch size and the schedule.</summary>
[Properties(Arbitrary = [typeof(OrderCase)], QuietOnSuccess = true)]
public sealed class EpochOrderProperties
{
    [Property(MaxTest = 600)]
    public void No_sample_comes_twice_in_an_epoch_and_each_once_unless_leftovers_are_dropped(OrderCase c)
    {
        if (c.Order(c.Labels()) is not { } order) return;
        var samples = Epoch(order, c.Epoch).SelectMany(b => b).Order().ToList();
        if (c.Leftovers == Leftovers.Merge) Assert.Equal(Enumerable.Range(0, c.Samples), samples);
        Assert.Equal(samples.Distinct(), samples);
        Assert.All(samples, s => Assert.InRange(s, 0, c.Samples - 1));
        Assert.Equal(order.SamplesPerEpoch, samples.Count);
    }

    [Property(MaxTest = 600)]
    public void Batches_are_whole_but_for_two_that_share_the_rest(OrderCase c)
    {
        if (c.Order(c.Labels()) is not { } order) return;
        var sizes = Epoch(order, c.Epoch).Select(b => b.Length).ToList();
        var smaller = sizes.Where(s => s != c.BatchSize).ToList();
        Assert.InRange(smaller.Count, 0, c.Leftovers == Leftovers.Drop ? 0 : 2);
        Assert.All(smaller, s => Assert.InRange(s, c.Samples < c.BatchSize ? c.Samples : c.BatchSize / 2, c.BatchSize));
    }

    [Property(MaxTest = 600)]
    public void A_batch_of_a_cluster_has_none_but_its_samples_and_no_cluster_has_fewer_batches_than_it_fills(OrderCase c)
    {
        var labels = c.Labels();
        if (c.Order(labels) is not { } order) return;
        var batches = Epoch(order, c.Epoch);
        var pure = new Dictionary<long, int>();
        for (var b = 0; b < batches.Count; b++)
        {
            if (order.ClusterOf(c.Epoch, b) is not { } cluster) continue;
            Assert.All(batches[b], sample => Assert.Equal(cluster, labels[sample]));
            pure[cluster] = pure.GetValueOrDefault(cluster) + 1;
        }
        var filled = labels.Labels.Zip(labels.Sizes).ToDictionary(l => l.First, l => l.Second / c.BatchSize);
        Assert.All(filled, f => Assert.Equal(f.Value, pure.GetValueOrDefault(f.Key)));
        if (c.Leftovers == Leftovers.Drop) Assert.Equal(batches.Count, pure.Values.Sum());
    }

    /// <summary>Two batches at the end even out what is left of all.</summary>
    [Property(MaxTest = 600)]
    public void Leftovers_leave_a_group_of_labels_only_where_they_fill_no_batch_of_it(OrderCase c)
    {
        var labels = c.Labels();
        if (c.Leftovers == Leftovers.Drop || c.Order(labels) is not { } order) return;
        var whole = Epoch(order, c.Epoch).Where(b => b.Length == c.BatchSize).ToList();
        var prefixes = Enumerable.Range(0, c.Samples).Select(s => labels[s]).ToArray();
        for (var digit = 0; digit <= 2 * c.Stages; digit++)
        {
            var within = whole.Where(b => b.All(s => prefixes[s] == prefixes[b[0]])).CountBy(b => prefixes[b[0]]).ToDictionary();
            foreach (var (prefix, size) in prefixes.CountBy(p => p))
                // A batch of the group may be the one that gives up samples to the last.
                Assert.InRange(size - c.BatchSize * within.GetValueOrDefault(prefix), 0, 2 * c.BatchSize - 1);
            for (var s = 0; s < prefixes.Length; s++) prefixes[s] /= c.Clusters;
        }
    }

    [Property(MaxTest = 500)]
    public void Training_resumed_at_any_step_takes_the_batches_of_an_undisturbed_run(OrderCase c, PositiveInt stop)
    {
        var labels = c.Labels();
        if (c.Order(labels) is not { } undisturbed) return;
        var steps = 2 * undisturbed.BatchesPerEpoch + 1;
        var before = Enumerable.Range(0, steps).Select(s => undisturbed.Batch(s)).ToList();
        // Another process, which has the labels in shards, and reads nothing of the steps before.
        var resumed = c.Order(new IndexedLabels(labels, c.ShardSize))!;
        for (var step = steps - 1; step >= stop.Get % steps; step--)
        {
            Assert.Equal(before[step], resumed.Batch(step));
            Assert.Equal(before[step], resumed.Batch(step / resumed.BatchesPerEpoch, step % resumed.BatchesPerEpoch));
        }
    }

    [Property(MaxTest = 500)]
    public void A_schedule_changes_the_order_of_batches_and_not_the_batches(OrderCase c)
    {
        var labels = c.Labels();
        if ((c with { Schedule = BatchSchedule.RoundRobin }).Order(labels) is not { } roundRobin) return;
        var shuffled = (c with { Schedule = BatchSchedule.Shuffled }).Order(labels)!;
        Assert.Equal(Sorted(roundRobin), Sorted(shuffled));

        IEnumerable<string> Sorted(EpochOrder order) => Epoch(order, c.Epoch).Select(b => string.Join(" ", b)).Order();
    }

    [Property(MaxTest = 600)]
    public void An_index_over_shards_finds_the_samples_that_the_labels_have(OrderCase c)
    {
        var labels = c.Labels();
        var index = new IndexedLabels(labels, c.ShardSize);
        Assert.Equal((labels.Count, labels.Stages, labels.Clusters), (index.Count, index.Stages, index.Clusters));
        Assert.Equal(labels.Labels.Zip(labels.Sizes), index.Labels.Zip(index.Sizes));
        for (var cluster = 0; cluster < labels.Labels.Count; cluster++)
            for (var i = 0; i < labels.Sizes[cluster]; i++) Assert.Equal(labels.Sample(cluster, i), index.Sample(cluster, i));
    }

    [Property(MaxTest = 600)]
    public void A_shuffle_has_each_element_once_and_any_run_of_it_is_read_alone(
        NonNegativeInt seed, PositiveInt count, NonNegativeInt from, NonNegativeInt to)
    {
        var n = 10 * count.Get;
        var shuffle = new KeyedPermutation(RandomKey.FromSeed((ulong)seed.Get), n);
        var all = Enumerable.Range(0, n).Select(i => shuffle[i]).ToArray();
        Assert.Equal(Enumerable.Range(0, n), all.Order());
        var (first, end) = (Math.Min(from.Get, to.Get) % n, Math.Max(from.Get, to.Get) % n);
        var run = new int[Math.Max(0, end - first)];
        shuffle.Read(first, run);
        Assert.Equal(all.Skip(first).Take(run.Length), run);
    }

    private static List<int[]> Epoch(EpochOrder order, int epoch) =>
        [.. Enumerable.Range(0, order.BatchesPerEpoch).Select(b => order.Batch(epoch, b))];

    /// <summary>Labels as a process has them that knows only the index; samples are in memory in place of files.</summary>
    private sealed class IndexedLabels : IClusterMembers
    {
        private readonly LabelIndex _index;
        private readonly List<int[]> _sorted = [];

        public IndexedLabels(PseudoLabels labels, int shardSize)
        {
            var layout = new ShardLayout(labels.Count, shardSize);
            var shards = new List<LabeledShard>();
            for (var shard = 0; shard < layout.Count; shard++)
            {
                var (first, end) = layout[shard];
                long[] accumulated = [.. Enumerable.Range(first, end - first).Select(s => labels[s])];
                var part = PseudoLabels.FromAccumulated(accumulated, labels.Clusters, labels.Stages);
                _sorted.Add(part.Sorted.ToArray());
                shards.Add(new LabeledShard(shard, new string('0', 64), part.Stages, part.Labels, part.Sizes));
            }
            // They come in any order.
            _index = LabelIndex.Create(layout, labels.Clusters, Enumerable.Reverse(shards));
        }

        public int Clusters => _index.Clusters;

        public int Stages => _index.Stages;

        public int Count => _index.Layout.Samples;

        public IReadOnlyList<long> Labels => _index.Labels;

        public IReadOnlyList<int> Sizes => _index.Sizes;

        public int Sample(int cluster, int index)
        {
            var (shard, position) = _index.Find(cluster, index);
            return _index.Layout[shard].First + _sorted[shard][position];
        }
    }
}
