using System.Runtime.InteropServices;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Checkpoints;

namespace ClipMoe.Actors.Data;

/// <summary>Arrays to and from safetensors files.</summary>
internal static class HostTensors
{
    public static (float[] Values, IReadOnlyList<long> Shape) ReadFloats(ITensorFile file, string name)
    {
        var info = Find(file, name);
        var values = new float[info.Count];
        file.ReadFloats(name, values);
        return (values, info.Shape);
    }

    /// <summary>Elements of an integer tensor whose type is that of <typeparamref name="T"/>.</summary>
    public static T[] Read<T>(ITensorFile file, string name)
        where T : unmanaged
    {
        var values = new T[Find(file, name).Count];
        file.Read(name, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>Writes arrays of floats, ints and longs as one file, whole or not at all.</summary>
    /// <returns>The file's SHA-256.</returns>
    public static string Write(
        string path, IReadOnlyList<(string Name, long[] Shape, Array Values)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var infos = tensors.Select(t => new TensorInfo(t.Name, TypeOf(t.Values), t.Shape)).ToList();
        using (var writer = new SafetensorsWriter(path, infos, metadata))
        {
            foreach (var (name, _, values) in tensors) writer.Write(name, Bytes(values));
            writer.Commit();
        }
        return ArtifactCheck.Sha256(path) ?? throw new IOException($"{path} can't be read right after it was written: check the disk.");
    }

    private static TensorType TypeOf(Array values) => values switch
    {
        float[] => TensorType.F32,
        int[] => TensorType.I32,
        long[] => TensorType.I64,
        _ => throw new ArgumentOutOfRangeException(nameof(values), values.GetType().Name),
    };

    private static ReadOnlySpan<byte> Bytes(Array values) => values switch
    {
        float[] floats => MemoryMarshal.AsBytes(floats.AsSpan()),
        int[] ints => MemoryMarshal.AsBytes(ints.AsSpan()),
        long[] longs => MemoryMarshal.AsBytes(longs.AsSpan()),
        _ => throw new ArgumentOutOfRangeException(nameof(values), values.GetType().Name),
    };

    private static TensorInfo Find(ITensorFile file, string name) =>
        file.TryGet(name, out var info) ? info : throw new InvalidDataException($"{file.Path} holds no tensor {name}");
}
