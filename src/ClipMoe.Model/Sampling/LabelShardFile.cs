using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Sampling;

/// <summary>The labels of one shard's samples as the rest of the cluster knows them: never a label per sample.</summary>
/// <param name="Shard">Its number in the <see cref="ShardLayout"/>.</param>
/// <param name="Sha256">Of its file.</param>
/// <param name="Stages">Stages accumulated.</param>
/// <param name="Labels">The distinct accumulated labels of its samples, ascending.</param>
/// <param name="Sizes">Number of samples with each of <paramref name="Labels"/>.</param>
public sealed record LabeledShard(int Shard, string Sha256, int Stages, IReadOnlyList<long> Labels, IReadOnlyList<int> Sizes);

/// <summary>
/// The file of one shard's labels: <c>labels</c> [distinct] I64 and <c>sizes</c> [distinct] I32 as in <see cref="LabeledShard"/>, and
/// <c>samples</c> [samples] U16, the shard's samples sorted by label as offsets from its first. So the i-th sample of a cluster is one
/// element at a place that is known without reading the file, and mapped pages are all that a process needs of it.
/// </summary>
public static class LabelShardFile
{
    private const string LabelsName = "labels", SizesName = "sizes", SamplesName = "samples", ClustersKey = "clusters",
        StagesKey = "stages";

    /// <param name="labels">Of the shard's samples, at most 65,536.</param>
    public static LabeledShard Write(string path, int shard, PseudoLabels labels)
    {
        var (distinct, sizes) = (labels.Labels.ToArray(), labels.Sizes.ToArray());
        var samples = new ushort[labels.Count];
        for (var i = 0; i < samples.Length; i++) samples[i] = checked((ushort)labels.Sorted[i]);
        TensorInfo[] tensors =
        [
            new(LabelsName, TensorType.I64, [distinct.Length]), new(SizesName, TensorType.I32, [sizes.Length]),
            new(SamplesName, TensorType.U16, [samples.Length]),
        ];
        var metadata = new Dictionary<string, string> { [ClustersKey] = $"{labels.Clusters}", [StagesKey] = $"{labels.Stages}" };
        using (var writer = new SafetensorsWriter(path, tensors, metadata))
        {
            writer.Write(LabelsName, MemoryMarshal.AsBytes(distinct.AsSpan()));
            writer.Write(SizesName, MemoryMarshal.AsBytes(sizes.AsSpan()));
            writer.Write(SamplesName, MemoryMarshal.AsBytes(samples.AsSpan()));
            writer.Commit();
        }

        return new LabeledShard(shard, FileHash.Sha256OfWritten(path), labels.Stages, distinct, sizes);
    }

    /// <summary>The labels of the shard's samples in the order of the samples.</summary>
    /// <exception cref="UserErrorException">The file is missing, or is not the one with this hash.</exception>
    public static PseudoLabels Read(string path, string sha256)
    {
        using var file = SafetensorsFile.Open(path, sha256);
        var (distinct, sizes, samples) = (file.ReadIntegers(LabelsName), file.ReadIntegers(SizesName), file.ReadIntegers(SamplesName));
        var labels = new long[samples.Length];
        for (var (cluster, next) = (0, 0); cluster < distinct.Length; cluster++)
            for (var i = 0; i < sizes[cluster]; i++) labels[samples[next++]] = distinct[cluster];
        return PseudoLabels.FromAccumulated(labels, int.Parse(file.Metadata[ClustersKey]), int.Parse(file.Metadata[StagesKey]));
    }

    /// <summary>The sorted samples as the system maps them.</summary>
    /// <exception cref="UserErrorException">The file is missing, or is not the one with this hash.</exception>
    internal static MemoryMappedViewAccessor MapSamples(string path, string sha256)
    {
        using var file = SafetensorsFile.Open(path, sha256);
        return file.Map(SamplesName);
    }
}
