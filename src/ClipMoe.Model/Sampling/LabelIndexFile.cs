using System.Runtime.InteropServices;
using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Sampling;

/// <summary>
/// The file of a <see cref="LabelIndex"/>, beside its shards' files: <c>labels</c> [clusters] I64, <c>sizes</c> [clusters] I32,
/// <c>run_firsts</c> [clusters + 1] I32, <c>run_shards</c> [runs] U16, <c>run_before</c> [runs] I32, <c>run_positions</c> [runs] U16 as in
/// <see cref="LabelRuns"/>, and <c>sha256</c> [shards, 32] U8. Its own hash therefore stands for all labels.
/// </summary>
public static class LabelIndexFile
{
    private const string Labels = "labels", Sizes = "sizes", Hashes = "sha256";
    private const string Firsts = "run_firsts", Shards = "run_shards", Before = "run_before", Positions = "run_positions";

    /// <summary>The file of a shard's labels, beside their index.</summary>
    public static string ShardPath(string index, int shard) =>
        Path.Combine(Path.GetDirectoryName(index)!, $"labels-{shard:D6}.safetensors");

    /// <returns>The file's SHA-256.</returns>
    public static string Write(string path, LabelIndex index)
    {
        var (labels, sizes, runs) = (index.Labels.ToArray(), index.Sizes.ToArray(), index.Runs);
        TensorInfo[] tensors =
        [
            new(Labels, TensorType.I64, [labels.Length]), new(Sizes, TensorType.I32, [sizes.Length]),
            new(Firsts, TensorType.I32, [runs.Firsts.Length]), new(Shards, TensorType.U16, [runs.Shards.Length]),
            new(Before, TensorType.I32, [runs.Before.Length]), new(Positions, TensorType.U16, [runs.Positions.Length]),
            new(Hashes, TensorType.U8, [index.Layout.Count, index.Hashes.Length / index.Layout.Count]),
        ];
        var metadata = new Dictionary<string, string>
        {
            ["clusters"] = $"{index.Clusters}",
            ["stages"] = $"{index.Stages}",
            ["samples"] = $"{index.Layout.Samples}",
            ["shard_size"] = $"{index.Layout.ShardSize}",
        };
        using (var writer = new SafetensorsWriter(path, tensors, metadata))
        {
            Write(writer, Labels, labels);
            Write(writer, Sizes, sizes);
            Write(writer, Firsts, runs.Firsts);
            Write(writer, Shards, runs.Shards);
            Write(writer, Before, runs.Before);
            Write(writer, Positions, runs.Positions);
            Write(writer, Hashes, index.Hashes);
            writer.Commit();
        }

        return FileHash.Sha256OfWritten(path);
    }

    /// <exception cref="UserErrorException">The file is missing, or is not the one with this hash.</exception>
    public static LabelIndex Read(string path, string sha256)
    {
        using var file = SafetensorsFile.Open(path, sha256);
        var layout = new ShardLayout(Number(file, "samples"), Number(file, "shard_size"));
        var (labels, sizes) = (Read<long>(file, Labels), Read<int>(file, Sizes));
        var runs = new LabelRuns(Read<int>(file, Firsts), Read<ushort>(file, Shards), Read<int>(file, Before),
            Read<ushort>(file, Positions));
        return new LabelIndex(layout, Number(file, "clusters"), Number(file, "stages"), labels, sizes, runs, Read<byte>(file, Hashes));
    }

    private static void Write<T>(SafetensorsWriter writer, string name, T[] values)
        where T : unmanaged => writer.Write(name, MemoryMarshal.AsBytes(values.AsSpan()));

    private static T[] Read<T>(SafetensorsFile file, string name)
        where T : unmanaged
    {
        var values = new T[file.Get(name).Count];
        file.Read(name, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    private static int Number(SafetensorsFile file, string key) => int.Parse(file.Metadata[key]);
}
