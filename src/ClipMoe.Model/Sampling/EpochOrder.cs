namespace ClipMoe.Model.Sampling;

/// <summary>
/// Which samples make up each batch of a stage: a pure function of (seed, stage, epoch, pseudo labels). A position in training is one
/// number, the step, and any step is computed without the ones before.
/// </summary>
/// <remarks>
/// Unless leftovers are dropped, every sample is in exactly one batch of each epoch. Batches hold <see cref="BatchSize"/> samples, except
/// that where the samples do not fill whole batches, two batches of the epoch share what remains and are smaller, by at most half.
/// </remarks>
public sealed class EpochOrder
{
    private readonly RandomKey _stage;
    private readonly BatchPlan _plan;
    private readonly BatchSchedule _schedule;
    private readonly PseudoLabels? _labels;
    private readonly int[] _samplesByCluster;
    private readonly int[] _clusterStarts;

    private EpochOrder(ulong seed, int stage, int samples, int batchSize, PseudoLabels? labels, Leftovers leftovers, BatchSchedule schedule)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        if (samples <= 0) throw new UserErrorException("There are no samples to train on.");
        Samples = samples;
        BatchSize = batchSize;
        _stage = RandomKey.Of(seed).Derive(stage);
        _schedule = schedule;
        _labels = labels;
        _plan = labels is null
            ? new BatchPlan([0], [samples], radix: 1, digits: 0, batchSize, leftovers)
            : new BatchPlan(labels.Labels, labels.Sizes, labels.Clusters, 2 * labels.Stages, batchSize, leftovers);
        (_samplesByCluster, _clusterStarts) = labels is null ? ([], []) : SortByCluster(labels);
        SamplesPerEpoch = _plan.Batches.Sum(b => b.Size);
        if (BatchesPerEpoch == 0)
            throw new UserErrorException(
                $"No cluster holds a whole batch of {batchSize} samples (the largest has {labels!.Sizes.Max()}): " +
                "merge leftovers, or use a smaller batch.");
    }

    /// <summary>Samples in the data set; batches hold indices below it.</summary>
    public int Samples { get; }

    /// <summary>The global batch size over all workers; no batch is larger.</summary>
    public int BatchSize { get; }

    public int BatchesPerEpoch => _plan.Batches.Count;

    /// <summary>Equal to <see cref="Samples"/> unless leftovers are dropped.</summary>
    public int SamplesPerEpoch { get; }

    /// <summary>All samples in random order, whatever their cluster.</summary>
    public static EpochOrder Shuffled(ulong seed, int stage, int samples, int batchSize) =>
        new(seed, stage, samples, batchSize, labels: null, Leftovers.Merge, BatchSchedule.RoundRobin);

    /// <summary>Each batch from one cluster, except those that <see cref="Leftovers.Merge"/> makes.</summary>
    /// <exception cref="UserErrorException">Leftovers are dropped and no cluster holds a whole batch.</exception>
    public static EpochOrder ClusterPure(
        ulong seed, int stage, PseudoLabels labels, int batchSize,
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

    /// <summary>The accumulated label that all samples of a batch share; null for a batch of the global shuffle or of merged leftovers.</summary>
    public long? ClusterOf(int epoch, int batch)
    {
        var planned = Planned(epoch, batch);
        var cluster = _plan.Groups[planned.First.Group].Cluster;
        return _labels is not null && cluster >= 0 && planned.Second.Length == 0 ? _labels.Labels[cluster] : null;
    }

    private PlannedBatch Planned(int epoch, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)batch, (uint)BatchesPerEpoch, nameof(batch));
        // Groups derive their keys from their index, which is never negative.
        if (_schedule == BatchSchedule.Shuffled) batch = new KeyedPermutation(_stage.Derive(epoch).Derive(-1), BatchesPerEpoch)[batch];
        return _plan.Batches[batch];
    }

    private void Resolve(RandomKey epoch, BatchSegment segment, Span<int> samples)
    {
        for (var i = 0; i < samples.Length; i++) samples[i] = Resolve(epoch, segment.Group, segment.Start + i);
    }

    private int Resolve(RandomKey epoch, int group, int position)
    {
        while (true)
        {
            var entry = _plan.Groups[group];
            var shuffled = new KeyedPermutation(epoch.Derive(group), entry.Size)[position];
            if (entry.Children.Count == 0) return _labels is null ? shuffled : _samplesByCluster[_clusterStarts[entry.Cluster] + shuffled];

            foreach (var child in entry.Children)
            {
                group = child;
                if (shuffled < _plan.Groups[child].Leftover) break;
                shuffled -= _plan.Groups[child].Leftover;
            }
            position = _plan.Groups[group].Used + shuffled;
        }
    }

    private static (int[] Samples, int[] Starts) SortByCluster(PseudoLabels labels)
    {
        var starts = new int[labels.Sizes.Count];
        for (var c = 1; c < starts.Length; c++) starts[c] = starts[c - 1] + labels.Sizes[c - 1];
        var next = starts.ToArray();
        var samples = new int[labels.Count];
        for (var i = 0; i < samples.Length; i++) samples[next[labels.Ids[i]]++] = i;
        return (samples, starts);
    }
}
