using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Actors.Stages;

/// <summary>Arrays of floats to and from safetensors files.</summary>
internal static class HostTensors
{
    public static (float[] Values, IReadOnlyList<long> Shape) ReadFloats(ITensorFile file, string name)
    {
        var info = file.TryGet(name, out var found) ? found : throw new InvalidDataException($"{file.Path} holds no tensor {name}");
        var values = new float[info.Count];
        file.ReadFloats(name, values);
        return (values, info.Shape);
    }

    /// <summary>Writes arrays as one file, whole or not at all.</summary>
    /// <returns>The file's SHA-256.</returns>
    public static string Write(string path, IReadOnlyList<(string Name, long[] Shape, float[] Values)> tensors)
    {
        using (var writer = new SafetensorsWriter(path, [.. tensors.Select(t => new TensorInfo(t.Name, TensorType.F32, t.Shape))]))
        {
            foreach (var (name, _, values) in tensors) writer.WriteFloats(name, values);
            writer.Commit();
        }
        return FileHash.Sha256OfWritten(path);
    }
}
