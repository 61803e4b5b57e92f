namespace ClipMoe.Model.Sampling;

/// <summary>
/// The accumulated cluster of each sample after zero or more stages of multistage contrastive learning. One stage adds two digits in base
/// k, the text cluster and then the image cluster: label = previous × k² + text × k + image (reference: train/cluster.ipynb), so that
/// dividing a label by k forgets the latest digit.
/// </summary>
/// <remarks>In memory, 8 bytes a sample: for the samples of one shard, or a small data set. <see cref="ShardedLabels"/> are for large
/// ones.</remarks>
public sealed class PseudoLabels : IClusterMembers
{
    private readonly int[] _ids;
    private readonly long[] _labels;
    private readonly int[] _sizes;
    private readonly int[] _starts;
    private readonly int[] _sorted;

    private PseudoLabels(int[] ids, long[] labels, int clusters, int stages)
    {
        _ids = ids;
        _labels = labels;
        _sizes = new int[labels.Length];
        foreach (var id in ids) _sizes[id]++;
        _starts = new int[labels.Length];
        for (var c = 1; c < _starts.Length; c++) _starts[c] = _starts[c - 1] + _sizes[c - 1];
        var next = _starts.ToArray();
        _sorted = new int[ids.Length];
        for (var i = 0; i < ids.Length; i++) _sorted[next[ids[i]]++] = i;
        Clusters = clusters;
        Stages = stages;
    }

    public int Clusters { get; }

    public int Stages { get; }

    public int Count => _ids.Length;

    public IReadOnlyList<long> Labels => _labels;

    public IReadOnlyList<int> Sizes => _sizes;

    /// <summary>[samples] all samples by label, those of one label in ascending order.</summary>
    public ReadOnlySpan<int> Sorted => _sorted;

    public int Sample(int cluster, int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)_sizes[cluster], nameof(index));
        return _sorted[_starts[cluster] + index];
    }

    /// <summary>The accumulated label of one sample.</summary>
    public long this[int sample] => _labels[_ids[sample]];

    /// <summary>Before the first stage: all samples share label 0.</summary>
    public static PseudoLabels None(int samples, int clusters)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(samples);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(clusters);
        return new PseudoLabels(new int[samples], samples == 0 ? [] : [0], clusters, stages: 0);
    }

    /// <summary>Labels accumulated elsewhere, for instance by the reference.</summary>
    /// <exception cref="UserErrorException">A label is not in [0, k^(2·stages)).</exception>
    public static PseudoLabels FromAccumulated(ReadOnlySpan<long> labels, int clusters, int stages)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(clusters);
        var bound = LabelBound(clusters, stages);
        for (var i = 0; i < labels.Length; i++)
        {
            if (labels[i] < 0 || labels[i] >= bound)
                throw new UserErrorException(
                    $"Pseudo label {labels[i]} of sample {i} is outside 0 … {bound - 1}: " +
                    $"{stages} stages of k = {clusters} clusters per modality cannot make it.");
        }
        return Dense(labels, clusters, stages);
    }

    /// <summary>The joint cluster of each sample of one stage: text × k + image.</summary>
    /// <param name="text">[samples] in [0, k).</param>
    /// <param name="image">[samples] in [0, k).</param>
    /// <param name="clusters">k.</param>
    public static int[] Joint(ReadOnlySpan<int> text, ReadOnlySpan<int> image, int clusters)
    {
        if (text.Length != image.Length)
            throw new UserErrorException(
                $"There are {text.Length} text clusters and {image.Length} image clusters: cluster both modalities of the same samples.");
        var joint = new int[text.Length];
        for (var i = 0; i < joint.Length; i++)
        {
            if ((uint)text[i] >= (uint)clusters || (uint)image[i] >= (uint)clusters)
                throw new UserErrorException(
                    $"Sample {i} has text cluster {text[i]} and image cluster {image[i]}: both must be in 0 … {clusters - 1}.");
            joint[i] = checked(text[i] * clusters + image[i]);
        }
        return joint;
    }

    /// <summary>The labels after one more stage: previous × k² + joint.</summary>
    /// <param name="joint">[samples] from <see cref="Joint"/>, in [0, k²).</param>
    public PseudoLabels Accumulate(ReadOnlySpan<int> joint)
    {
        if (joint.Length != Count)
            throw new UserErrorException(
                $"The new stage has clusters of {joint.Length} samples, the labels so far {Count}: the data set changed between the " +
                $"stages.");
        LabelBound(Clusters, Stages + 1);
        var perStage = (long)Clusters * Clusters;
        var labels = new long[Count];
        for (var i = 0; i < Count; i++)
        {
            if (joint[i] < 0 || joint[i] >= perStage)
                throw new UserErrorException($"Sample {i} has joint cluster {joint[i]}: it must be in 0 … {perStage - 1}.");
            labels[i] = this[i] * perStage + joint[i];
        }
        return Dense(labels, Clusters, Stages + 1);
    }

    private static PseudoLabels Dense(ReadOnlySpan<long> labels, int clusters, int stages)
    {
        var distinct = new HashSet<long>();
        foreach (var label in labels) distinct.Add(label);
        var sorted = distinct.Order().ToArray();
        var idOf = new Dictionary<long, int>(sorted.Length);
        for (var id = 0; id < sorted.Length; id++) idOf.Add(sorted[id], id);
        var ids = new int[labels.Length];
        for (var i = 0; i < ids.Length; i++) ids[i] = idOf[labels[i]];
        return new PseudoLabels(ids, sorted, clusters, stages);
    }

    private static long LabelBound(int clusters, int stages)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(stages);
        var bound = Int128.One;
        for (var digit = 0; digit < 2 * stages; digit++)
        {
            bound *= clusters;
            if (bound > long.MaxValue)
                throw new UserErrorException(
                    $"Accumulated labels of {stages} stages with k = {clusters} do not fit in 64 bits: use fewer stages or clusters.");
        }
        return (long)bound;
    }
}
