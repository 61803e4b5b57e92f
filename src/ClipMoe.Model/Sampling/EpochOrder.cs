using System.Diagnostics;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Sampling;

/// <summary>
/// Which samples make up each batch of a stage: a pure function of (seed, stage, epoch, pseudo labels). A position in training is one
/// number, the step, and any step is computed without the ones before.
/// </summary>
/// <remarks>
/// Unless leftovers are dropped, every sample is in exactly one batch of each epoch. Batches hold <see cref="BatchSize"/> samples, except
/// that where the samples do not fill whole batches, two batches of the epoch share what remains and are smaller, by at most half.
/// </remarks>
public sealed class EpochOrder : IDisposable
{
    private readonly RandomKey _stage;
    private readonly BatchPlan _plan;
    private readonly BatchSchedule _schedule;
    private readonly IClusterMembers? _labels;

    private EpochOrder(ulong seed, int stage, int samples, int batchSize, IClusterMembers? labels, Leftovers leftovers,
        BatchSchedule schedule)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        if (samples <= 0) throw new UserErrorException("There are no samples to train on.");
        Samples = samples;
        BatchSize = batchSize;
        _stage = RandomKey.FromSeed(seed).Derive(stage);
        _schedule = schedule;
        _labels = labels;
        _plan = labels is null
            ? new BatchPlan([0], [samples], radix: 1, digits: 0, batchSize, leftovers)
            : new BatchPlan(labels.Labels, labels.Sizes, labels.Clusters, 2 * labels.Stages, batchSize, leftovers);
        if (BatchesPerEpoch == 0)
            throw new UserErrorException(
                $"No cluster holds a whole batch of {batchSize} samples (the largest has {labels!.Sizes.Max()}): " +
                "merge leftovers, or use a smaller batch.");
    }

    /// <summary>Samples in the data set; batches hold indices below it.</summary>
    public int Samples { get; }

    /// <summary>The global batch size over all workers; no batch is larger.</summary>
    public int BatchSize { get; }

    public int BatchesPerEpoch => _plan.Count;

    /// <summary>Equal to <see cref="Samples"/> unless leftovers are dropped.</summary>
    public int SamplesPerEpoch => _plan.Samples;

    /// <summary>All samples in random order, whatever their cluster.</summary>
    public static EpochOrder Shuffled(ulong seed, int stage, int samples, int batchSize) =>
        new(seed, stage, samples, batchSize, labels: null, Leftovers.Merge, BatchSchedule.RoundRobin);

    /// <summary>Each batch from one cluster, except those that <see cref="Leftovers.Merge"/> makes.</summary>
    /// <param name="labels">Disposed of with the order, where they need that.</param>
    /// <exception cref="UserErrorException">Leftovers are dropped and no cluster holds a whole batch.</exception>
    public static EpochOrder ClusterPure(
        ulong seed, int stage, IClusterMembers labels, int batchSize,
        Leftovers leftovers = Leftovers.Merge, BatchSchedule schedule = BatchSchedule.RoundRobin) =>
        new(seed, stage, labels.Count, batchSize, labels, leftovers, schedule);

    /// <summary>The samples of a step counted from the start of the stage; epochs follow each other.</summary>
    public int[] Batch(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        var (epoch, batch) = Math.DivRem(step, BatchesPerEpoch);
        return Batch(checked((int)epoch), (int)batch);
    }

    /// <summary>The samples of one batch of an epoch, in the order in which they are dealt to the leaves.</summary>
    public int[] Batch(int epoch, int batch)
    {
        var planned = Planned(epoch, batch);
        var key = _stage.Derive(epoch);
        var samples = new int[planned.Size];
        Resolve(key, planned.First, samples.AsSpan(0, planned.First.Length));
        Resolve(key, planned.Second, samples.AsSpan(planned.First.Length));
        return samples;
    }

    /// <summary>
    /// The accumulated label that all samples of a batch share; null for a batch of the global shuffle or of merged leftovers.
    /// </summary>
    public long? ClusterOf(int epoch, int batch)
    {
        var planned = Planned(epoch, batch);
        var cluster = _plan.Groups[planned.First.Group].Cluster;
        return _labels is not null && cluster >= 0 && planned.Second.Length == 0 ? _labels.Labels[cluster] : null;
    }

    public void Dispose() => (_labels as IDisposable)?.Dispose();

    private PlannedBatch Planned(int epoch, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)batch, (uint)BatchesPerEpoch, nameof(batch));
        // Groups derive their keys from their index, which is never negative.
        if (_schedule == BatchSchedule.Shuffled) batch = new KeyedPermutation(_stage.Derive(epoch).Derive(-1), BatchesPerEpoch)[batch];
        return _plan[batch];
    }

    private void Resolve(RandomKey epoch, BatchSegment segment, Span<int> samples)
    {
        if (samples.IsEmpty) return;
        Shuffle(epoch, segment.Group).Read(segment.Start, samples);
        for (var i = 0; i < samples.Length; i++) samples[i] = Sample(epoch, _plan.Groups[segment.Group], samples[i]);
    }

    private KeyedPermutation Shuffle(RandomKey epoch, int group) => new(epoch.Derive(group), _plan.Groups[group].Size);

    /// <summary>
    /// What an element of a group's shuffle stands for: a sample of its cluster, or of a child's leftovers in their turn.
    /// </summary>
    private int Sample(RandomKey epoch, BatchGroup group, int element)
    {
        if (group.Children.Count == 0) return _labels is null ? element : _labels.Sample(group.Cluster, element);
        foreach (var child in group.Children)
        {
            var entry = _plan.Groups[child];
            if (element < entry.Leftover) return Sample(epoch, entry, Shuffle(epoch, child)[entry.Used + element]);
            element -= entry.Leftover;
        }

        throw new UnreachableException();
    }
}
