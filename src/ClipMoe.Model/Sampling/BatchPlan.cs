namespace ClipMoe.Model.Sampling;

/// <summary>What happens to samples that fill no whole batch of their cluster.</summary>
public enum Leftovers
{
    /// <summary>They form batches with the leftovers of the clusters that share the longest prefix of the label, so that no sample is lost.</summary>
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
    private readonly List<BatchGroup> _groups = [];
    private readonly List<PlannedBatch> _batches = [];

    public IReadOnlyList<BatchGroup> Groups => _groups;

    /// <summary>In round-robin order.</summary>
    public IReadOnlyList<PlannedBatch> Batches => _batches;

    /// <summary>
    /// Whole batches of each cluster first. Leftovers then move up the hierarchy of labels one digit at a time, and become batches wherever
    /// those with a common prefix suffice for one. What is left at the top is evened out with the last whole batch made (the least pure
    /// one), so that no batch is smaller than half of <paramref name="batchSize"/> unless there are fewer samples than that.
    /// </summary>
    public BatchPlan(IReadOnlyList<long> labels, IReadOnlyList<int> sizes, int radix, int digits, int batchSize, Leftovers leftovers)
    {
        var pending = new List<(long Prefix, int Group)>();
        for (var cluster = 0; cluster < sizes.Count; cluster++)
            AddGroup(labels[cluster], cluster, sizes[cluster], [], batchSize, pending);
        if (leftovers == Leftovers.Merge)
        {
            for (var level = 0; level < digits && pending.Count > 0; level++)
                pending = MergeSiblings(pending, radix, batchSize);
        }

        PlaceRoundRobin(batchSize);
        if (leftovers == Leftovers.Merge && pending.Count > 0) PlaceRest(pending.Select(p => p.Group).ToList());
    }

    private List<(long Prefix, int Group)> MergeSiblings(List<(long Prefix, int Group)> pending, int radix, int batchSize)
    {
        var merged = new List<(long Prefix, int Group)>();
        // Groups are pending in ascending order of their prefixes, so GroupBy keeps that order.
        foreach (var siblings in pending.GroupBy(p => p.Prefix / radix, p => p.Group))
        {
            var children = siblings.ToList();
            var size = children.Sum(c => _groups[c].Leftover);
            if (size >= batchSize) AddGroup(siblings.Key, cluster: -1, size, children, batchSize, merged);
            else merged.AddRange(children.Select(c => (siblings.Key, c)));
        }
        return merged;
    }

    private void AddGroup(long prefix, int cluster, int size, IReadOnlyList<int> children, int batchSize, List<(long Prefix, int Group)> pending)
    {
        _groups.Add(new BatchGroup(cluster, size, size / batchSize * batchSize, children));
        if (_groups[^1].Leftover > 0) pending.Add((prefix, _groups.Count - 1));
    }

    private void PlaceRoundRobin(int batchSize)
    {
        var unfinished = Enumerable.Range(0, _groups.Count).ToList();
        for (var start = 0L; ; start += batchSize)
        {
            unfinished.RemoveAll(g => _groups[g].Used <= start);
            if (unfinished.Count == 0) return;
            foreach (var group in unfinished) _batches.Add(new PlannedBatch(new BatchSegment(group, (int)start, batchSize)));
        }
    }

    private void PlaceRest(List<int> remaining)
    {
        var size = remaining.Sum(g => _groups[g].Leftover);
        _groups.Add(new BatchGroup(Cluster: -1, size, Used: 0, remaining));
        var rest = new BatchSegment(_groups.Count - 1, 0, size);
        if (_batches.Count == 0)
        {
            _batches.Add(new PlannedBatch(rest));
            return;
        }

        var lastGroup = _groups.FindLastIndex(g => g.Used > 0);
        var index = _batches.FindLastIndex(b => b.First.Group == lastGroup);
        var whole = _batches[index].First;
        var kept = (whole.Length + size + 1) / 2;
        _batches[index] = new PlannedBatch(whole with { Length = kept });
        _batches.Add(new PlannedBatch(new BatchSegment(lastGroup, whole.Start + kept, whole.Length - kept), rest));
    }
}
