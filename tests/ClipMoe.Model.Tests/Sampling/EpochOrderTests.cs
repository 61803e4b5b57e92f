using System.IO.Hashing;
using System.Runtime.InteropServices;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Model.Tests.Sampling;

public sealed class EpochOrderTests
{
    private const ulong Seed = 7;

    [Theory]
    [InlineData(1, 8)]
    [InlineData(7, 8)]
    [InlineData(8, 8)]
    [InlineData(9, 8)]
    [InlineData(15, 8)]
    [InlineData(1000, 32)]
    [InlineData(1000, 1)]
    [InlineData(97, 50)]
    public void Every_epoch_of_the_global_shuffle_has_each_sample_once(int samples, int batchSize)
    {
        var order = EpochOrder.Shuffled(Seed, stage: 1, samples, batchSize);
        AssertEachSampleOnce(order);
        Assert.Equal((samples + batchSize - 1) / batchSize, order.BatchesPerEpoch);
    }

    [Theory]
    [InlineData(BatchSchedule.RoundRobin)]
    [InlineData(BatchSchedule.Shuffled)]
    public void Every_epoch_with_merged_leftovers_has_each_sample_once(BatchSchedule schedule)
    {
        for (var trial = 0; trial < 40; trial++)
        {
            var random = RandomKey.FromSeed(Seed).Derive(trial);
            var labels = RandomLabels(random, samples: 1 + random.Below(0, 700), clusters: 1 + random.Below(1, 3),
                stages: random.Below(2, 4));
            AssertEachSampleOnce(EpochOrder.ClusterPure(Seed, trial, labels, batchSize: 1 + random.Below(3, 40), Leftovers.Merge,
                schedule));
        }
    }

    [Fact]
    public void Only_batches_of_merged_leftovers_mix_clusters()
    {
        var labels = RandomLabels(RandomKey.FromSeed(Seed), samples: 5000, clusters: 3, stages: 2);
        var order = EpochOrder.ClusterPure(Seed, stage: 2, labels, batchSize: 16);
        var pure = 0;
        for (var b = 0; b < order.BatchesPerEpoch; b++)
        {
            if (order.ClusterOf(epoch: 0, b) is not { } cluster) continue;
            Assert.All(order.Batch(epoch: 0, b), sample => Assert.Equal(cluster, labels[sample]));
            pure++;
        }

        Assert.InRange(pure, labels.Sizes.Sum(s => s / 16) - 1, order.BatchesPerEpoch - 1);
    }

    [Fact]
    public void Leftovers_meet_the_clusters_that_share_the_longest_prefix()
    {
        // Two stages of k = 2: labels 0 and 1 differ in the last image digit, 2 in the last text digit, 15 in all.
        long[] accumulated = [.. Enumerable.Repeat(0L, 5), .. Enumerable.Repeat(1L, 7), .. Enumerable.Repeat(2L, 3),
            .. Enumerable.Repeat(15L, 5)];
        var labels = PseudoLabels.FromAccumulated(accumulated, clusters: 2, stages: 2);
        var order = EpochOrder.ClusterPure(Seed, stage: 1, labels, batchSize: 4);
        var mixed = Enumerable.Range(0, order.BatchesPerEpoch).Where(b => order.ClusterOf(0, b) is null)
            .Select(b => string.Join(" ", order.Batch(0, b).Select(s => labels[s]).Order())).ToList();
        // Leftovers 1 of label 0 and 3 of label 1 make a batch; those of 2 and 15 meet at the top.
        Assert.Equal(["0 1 1 1", "2 2 2 15"], mixed);
    }

    [Fact]
    public void What_is_left_at_the_end_is_evened_out_with_the_last_whole_batch()
    {
        var order = EpochOrder.Shuffled(Seed, stage: 0, samples: 3 * 16 + 1, batchSize: 16);
        Assert.Equal([16, 16, 9, 8], Enumerable.Range(0, order.BatchesPerEpoch).Select(b => order.Batch(0, b).Length));
    }

    [Fact]
    public void No_batch_is_smaller_than_half()
    {
        for (var samples = 16; samples < 200; samples++)
        {
            var labels = RandomLabels(RandomKey.FromSeed(Seed).Derive(samples), samples, clusters: 2, stages: 2);
            var order = EpochOrder.ClusterPure(Seed, stage: 0, labels, batchSize: 16);
            for (var b = 0; b < order.BatchesPerEpoch; b++) Assert.InRange(order.Batch(0, b).Length, 8, 16);
        }
    }

    [Fact]
    public void Dropped_leftovers_change_with_the_epoch()
    {
        var labels = PseudoLabels.None(100, clusters: 3);
        var order = EpochOrder.ClusterPure(Seed, stage: 0, labels, batchSize: 32, Leftovers.Drop);
        Assert.Equal(96, order.SamplesPerEpoch);
        Assert.NotEqual(Epoch(order, 0).Order(), Epoch(order, 1).Order());
    }

    [Fact]
    public void Order_depends_on_seed_stage_and_epoch_and_on_nothing_else()
    {
        var order = EpochOrder.Shuffled(Seed, stage: 1, samples: 500, batchSize: 50);
        Assert.Equal(Epoch(order, 3), Epoch(EpochOrder.Shuffled(Seed, stage: 1, samples: 500, batchSize: 50), 3));
        Assert.NotEqual(Epoch(order, 3), Epoch(order, 4));
        Assert.NotEqual(Epoch(order, 3), Epoch(EpochOrder.Shuffled(Seed, stage: 2, samples: 500, batchSize: 50), 3));
        Assert.NotEqual(Epoch(order, 3), Epoch(EpochOrder.Shuffled(Seed + 1, stage: 1, samples: 500, batchSize: 50), 3));
    }

    [Theory]
    [InlineData(Leftovers.Merge, BatchSchedule.RoundRobin, 16468322729508828572UL)]
    [InlineData(Leftovers.Drop, BatchSchedule.RoundRobin, 8698736165391388892UL)]
    [InlineData(Leftovers.Merge, BatchSchedule.Shuffled, 16740969388307779616UL)]
    [InlineData(Leftovers.Drop, BatchSchedule.Shuffled, 4631329644578124698UL)]
    public void The_order_of_a_seeded_stage_never_changes(Leftovers leftovers, BatchSchedule schedule, ulong expected)
    {
        // A change of these numbers silently changes every experiment's result.
        var labels = RandomLabels(RandomKey.FromSeed(Seed), samples: 5000, clusters: 3, stages: 3);
        var order = EpochOrder.ClusterPure(Seed, stage: 2, labels, batchSize: 16, leftovers, schedule);
        var hash = new XxHash3();
        for (var step = 0; step < 2 * order.BatchesPerEpoch; step++) hash.Append(MemoryMarshal.AsBytes(order.Batch(step).AsSpan()));
        Assert.Equal(expected, hash.GetCurrentHashAsUInt64());
    }

    [Fact]
    public void Steps_count_through_the_epochs()
    {
        var order = EpochOrder.Shuffled(Seed, stage: 1, samples: 500, batchSize: 50);
        Assert.Equal(order.Batch(epoch: 2, batch: 7), order.Batch(step: 27));
    }

    [Fact]
    public void A_shuffled_schedule_visits_the_same_batches_in_another_order()
    {
        var labels = RandomLabels(RandomKey.FromSeed(Seed), samples: 2000, clusters: 2, stages: 1);
        var roundRobin = EpochOrder.ClusterPure(Seed, stage: 1, labels, batchSize: 32);
        var shuffled = EpochOrder.ClusterPure(Seed, stage: 1, labels, batchSize: 32, Leftovers.Merge, BatchSchedule.Shuffled);
        var a = Enumerable.Range(0, roundRobin.BatchesPerEpoch).Select(b => string.Join(" ", roundRobin.Batch(0, b))).ToList();
        var b = Enumerable.Range(0, shuffled.BatchesPerEpoch).Select(b => string.Join(" ", shuffled.Batch(0, b))).ToList();
        Assert.NotEqual(a, b);
        Assert.Equal(a.Order(), b.Order());
    }

    [Fact]
    public void A_hundred_million_samples_cost_nothing_before_they_are_asked_for()
    {
        var order = EpochOrder.Shuffled(Seed, stage: 0, samples: 100_000_000, batchSize: 800);
        var batch = order.Batch(epoch: 5, batch: 99_999);
        Assert.Equal(800, batch.Distinct().Count());
        Assert.All(batch, s => Assert.InRange(s, 0, 99_999_999));
    }

    [Fact]
    public void No_samples_or_no_whole_batch_is_a_clear_error()
    {
        Assert.Contains("no samples", Assert.Throws<UserErrorException>(
            () => EpochOrder.Shuffled(Seed, 0, samples: 0, batchSize: 8)).Message);
        var labels = PseudoLabels.FromAccumulated([0, 1, 2, 3], clusters: 2, stages: 1);
        Assert.Contains("merge leftovers",
            Assert.Throws<UserErrorException>(() => EpochOrder.ClusterPure(Seed, 0, labels, batchSize: 2, Leftovers.Drop)).Message);
    }

    private static void AssertEachSampleOnce(EpochOrder order)
    {
        Assert.Equal(order.Samples, order.SamplesPerEpoch);
        for (var epoch = 0; epoch < 2; epoch++) Assert.Equal(Enumerable.Range(0, order.Samples), Epoch(order, epoch).Order());
    }

    private static List<int> Epoch(EpochOrder order, int epoch) =>
        [.. Enumerable.Range(0, order.BatchesPerEpoch).SelectMany(b => order.Batch(epoch, b))];

    /// <summary>Cluster sizes from very common to rare, as k-means gives them.</summary>
    private static PseudoLabels RandomLabels(RandomKey random, int samples, int clusters, int stages)
    {
        var labels = PseudoLabels.None(samples, clusters);
        for (var stage = 0; stage < stages; stage++)
        {
            var key = random.Derive(stage);
            labels = labels.Accumulate([.. Enumerable.Range(0, samples)
                .Select(i => (int)(Math.Pow(key.Unit(i), 3) * clusters * clusters))]);
        }

        return labels;
    }
}
