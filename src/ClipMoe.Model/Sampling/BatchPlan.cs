namespace ClipMoe.Model.Sampling;

/// <summary>What happens to samples that fill no whole batch of their cluster.</summary>
public enum Leftovers
{
    /// <summary>
    /// They form batches with the leftovers of the clusters that share the longest prefix of the label, so that no sample is lost.
    /// </summary>
    Merge,
    /// <summary>They are not used in the epoch, as in the reference; which ones they are changes with the epoch.</summary>
    Drop,
}

/// <summary>In which order an epoch visits its batches.</summary>
public enum BatchSchedule
{
    /// <summary>One batch of each cluster in turn while it has any (reference: MCL_batch_sampler_DDP).</summary>
    RoundRobin,
    /// <summary>A random order, so that at any time a cluster comes in proportion to its size.</summary>
    Shuffled,
}

/// <summary>
/// Samples that are batched together: a cluster (no children), or the leftovers of several groups. Its samples are shuffled in each epoch;
/// positions below <see cref="Used"/> of that shuffle are in its own batches, the rest are leftovers.
/// </summary>
/// <param name="Cluster">Index of the cluster, for a group without children.</param>
/// <param name="Size">Number of samples.</param>
/// <param name="Used">Samples in the group's own batches.</param>
/// <param name="Children">Groups whose leftovers these are, in order.</param>
internal sealed record BatchGroup(int Cluster, int Size, int Used, IReadOnlyList<int> Children)
{
    public int Leftover => Size - Used;
}

/// <summary>Positions [Start, Start + Length) of a group's shuffle.</summary>
internal readonly record struct BatchSegment(int Group, int Start, int Length);

/// <summary>One batch: a run of one group's shuffle, and for the one that takes in what is left at the end, that too.</summary>
internal readonly record struct PlannedBatch(BatchSegment First, BatchSegment Second = default)
{
    public int Size => First.Length + Second.Length;
}

/// <summary>How the samples of an epoch fall into batches: a function of the clusters' sizes alone, so the same in every epoch.</summary>
internal sealed class BatchPlan
{
    private readonly int _batchSize;
    private readonly List<BatchGroup> _groups = [];
    // 8 bytes a batch: a billion samples make a million of them.
    private readonly (int Group, int Start)[] _whole;
    // What is left at the end comes after the whole batches, with the samples that one of those gives up to even the two out.
    private readonly BatchSegment _rest;
    private readonly int _giving = -1;
    private readonly int _kept;

    /// <summary>
    /// Whole batches of each cluster first. Leftovers then move up the hierarchy of labels one digit at a time, and become batches wherever
    /// those with a common prefix suffice for one. What is left at the top is evened out with the last whole batch made (the least pure
    /// one), so that no batch is smaller than half of <paramref name="batchSize"/> unless there are fewer samples than that.
    /// </summary>
    public BatchPlan(IReadOnlyList<long> labels, IReadOnlyList<int> sizes, int radix, int digits, int batchSize, Leftovers leftovers)
    {
        _batchSize = batchSize;
        var pending = new List<(long Prefix, int Group)>();
        for (var cluster = 0; cluster < sizes.Count; cluster++)
            AddGroup(labels[cluster], cluster, sizes[cluster], [], pending);
        if (leftovers == Leftovers.Merge)
        {
            for (var level = 0; level < digits && pending.Count > 0; level++)
                pending = MergeSiblings(pending, radix);
        }

        _whole = RoundRobin();
        if (leftovers == Leftovers.Drop || pending.Count == 0) return;

        var remaining = pending.Select(p => p.Group).ToList();
        _rest = new BatchSegment(_groups.Count, 0, remaining.Sum(g => _groups[g].Leftover));
        _groups.Add(new BatchGroup(Cluster: -1, _rest.Length, Used: 0, remaining));
        var lastGroup = _groups.FindLastIndex(g => g.Used > 0);
        _giving = Array.FindLastIndex(_whole, b => b.Group == lastGroup);
        _kept = (batchSize + _rest.Length + 1) / 2;
    }

    public IReadOnlyList<BatchGroup> Groups => _groups;

    /// <summary>Number of batches.</summary>
    public int Count => _whole.Length + (_rest.Length > 0 ? 1 : 0);

    /// <summary>Samples in all batches.</summary>
    public int Samples => _groups.Sum(g => g.Used) + _rest.Length;

    /// <summary>A batch by its place in round-robin order.</summary>
    public PlannedBatch this[int batch]
    {
        get
        {
            if (batch < _whole.Length)
                return new PlannedBatch(Segment(batch) with { Length = batch == _giving ? _kept : _batchSize });
            if (_giving < 0) return new PlannedBatch(_rest);
            var given = Segment(_giving);
            return new PlannedBatch(given with { Start = given.Start + _kept, Length = _batchSize - _kept }, _rest);
        }
    }

    private BatchSegment Segment(int batch) => new(_whole[batch].Group, _whole[batch].Start, _batchSize);

    private List<(long Prefix, int Group)> MergeSiblings(List<(long Prefix, int Group)> pending, int radix)
    {
        var merged = new List<(long Prefix, int Group)>();
        // Groups are pending in ascending order of their prefixes, so GroupBy keeps that order.
        foreach (var siblings in pending.GroupBy(p => p.Prefix / radix, p => p.Group))
        {
            var children = siblings.ToList();
            var size = children.Sum(c => _groups[c].Leftover);
            if (size >= _batchSize) AddGroup(siblings.Key, cluster: -1, size, children, merged);
            else merged.AddRange(children.Select(c => (siblings.Key, c)));
        }
        return merged;
    }

    private void AddGroup(long prefix, int cluster, int size, IReadOnlyList<int> children, List<(long Prefix, int Group)> pending)
    {
        _groups.Add(new BatchGroup(cluster, size, size / _batchSize * _batchSize, children));
        if (_groups[^1].Leftover > 0) pending.Add((prefix, _groups.Count - 1));
    }

    private (int Group, int Start)[] RoundRobin()
    {
        var batches = new (int Group, int Start)[_groups.Sum(g => g.Used / _batchSize)];
        var unfinished = Enumerable.Range(0, _groups.Count).ToList();
        for (var (placed, start) = (0, 0L); placed < batches.Length; start += _batchSize)
        {
            unfinished.RemoveAll(g => _groups[g].Used <= start);
            foreach (var group in unfinished) batches[placed++] = (group, (int)start);
        }

        return batches;
    }
}
