using System.IO.MemoryMappedFiles;

namespace ClipMoe.Model.Sampling;

/// <summary>
/// The pseudo labels of a data set of any size, as a process opens them: their <see cref="LabelIndex"/> in memory, and of a shard's file
/// the pages with the samples that are asked for, mapped. A shard's hash is compared when it is first touched. Thread-safe.
/// </summary>
public sealed class ShardedLabels : IClusterMembers, IDisposable
{
    private readonly string _path;
    private readonly LabelIndex _index;
    private readonly MemoryMappedViewAccessor?[] _shards;
    private readonly Lock _gate = new();
    private readonly ShardAccess? _access;

    private ShardedLabels(string path, LabelIndex index, ShardAccess? access)
    {
        _path = path;
        _access = access;
        _index = index;
        _shards = new MemoryMappedViewAccessor?[index.Layout.Count];
    }

    public int Clusters => _index.Clusters;

    public int Stages => _index.Stages;

    public int Count => _index.Layout.Samples;

    public IReadOnlyList<long> Labels => _index.Labels;

    public IReadOnlyList<int> Sizes => _index.Sizes;

    /// <summary>Called before a shard's file is opened, which may have to be brought here first.</summary>
    public delegate void ShardAccess(string path, string sha256);

    /// <param name="path">The index file; the shards lie beside it.</param>
    /// <param name="sha256">Of the index file.</param>
    /// <exception cref="UserErrorException">The file is missing, or is not the one with this hash.</exception>
    public static ShardedLabels Open(string path, string sha256, ShardAccess? access = null) =>
        new(path, LabelIndexFile.Read(path, sha256), access);

    /// <exception cref="UserErrorException">The file of the sample's shard is missing or damaged.</exception>
    public int Sample(int cluster, int index)
    {
        var (shard, position) = _index.Find(cluster, index);
        var samples = Volatile.Read(ref _shards[shard]) ?? Map(shard);
        return _index.Layout[shard].First + samples.ReadUInt16((long)position * sizeof(ushort));
    }

    /// <summary>The labels of one shard's samples, in the order of the samples.</summary>
    /// <exception cref="UserErrorException">The shard's file is missing or damaged.</exception>
    public PseudoLabels Read(int shard) => LabelShardFile.Read(PathOf(shard), _index.Sha256(shard));

    public void Dispose()
    {
        foreach (var samples in _shards) samples?.Dispose();
    }

    private MemoryMappedViewAccessor Map(int shard)
    {
        lock (_gate) return _shards[shard] ??= LabelShardFile.MapSamples(PathOf(shard), _index.Sha256(shard));
    }

    private string PathOf(int shard)
    {
        var path = LabelIndexFile.ShardPath(_path, shard);
        _access?.Invoke(path, _index.Sha256(shard));
        return path;
    }
}
