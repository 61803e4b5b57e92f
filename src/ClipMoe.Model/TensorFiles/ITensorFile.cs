namespace ClipMoe.Model.TensorFiles;

/// <summary>
/// Named tensors in a file: safetensors, or PyTorch's <c>.pt</c> (state dict, nested checkpoint, TorchScript archive). Only names and
/// shapes are held in memory; elements are read from the disk when asked for. Reads may run on several threads at once.
/// </summary>
/// <remarks>Whatever is wrong with the file's content throws <see cref="UserErrorException"/>, naming the file.</remarks>
public interface ITensorFile : IDisposable
{
    string Path { get; }

    /// <summary>Every tensor, in the file's order.</summary>
    IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>Text that the file carries beside its tensors: <c>__metadata__</c> of safetensors; empty for <c>.pt</c>.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    bool TryGet(string name, out TensorInfo info);

    /// <summary>
    /// Reads little-endian elements in row-major order, from byte <paramref name="offset"/> of the tensor on, until
    /// <paramref name="destination"/> is full.
    /// </summary>
    void Read(string name, Span<byte> destination, long offset = 0);

    /// <summary>Reads floating-point elements of any width as fp32, from element <paramref name="offset"/> on, as many as fit.</summary>
    void ReadFloats(string name, Span<float> destination, long offset = 0);
}

public static class TensorFileExtensions
{
    /// <summary>The named tensor's type and shape.</summary>
    /// <exception cref="UserErrorException">The file has no tensor of that name.</exception>
    public static TensorInfo Get(this ITensorFile file, string name) =>
        file.TryGet(name, out var info) ? info : throw new UserErrorException($"{file.Path} holds no tensor {Printable.Quote(name)}.");

    /// <summary>A whole floating-point tensor as fp32, row-major.</summary>
    public static float[] ReadFloats(this ITensorFile file, string name)
    {
        var values = new float[Length(file, name)];
        file.ReadFloats(name, values);
        return values;
    }

    /// <summary>A whole integer or boolean tensor as 64-bit integers, row-major.</summary>
    public static long[] ReadIntegers(this ITensorFile file, string name)
    {
        var info = file.Get(name);
        if (info.Type.IsFloat()) throw new UserErrorException(
            $"tensor {Printable.Quote(name)} in {file.Path} holds {info.Type}, not integers.");
        var values = new long[Length(file, name)];
        TensorConversion.ToIntegers(info.Type, file.ReadBytes(name), values);
        return values;
    }

    /// <summary>A whole tensor's bytes, little-endian, row-major.</summary>
    public static byte[] ReadBytes(this ITensorFile file, string name)
    {
        var bytes = new byte[Length(file, name) * file.Get(name).Type.Size()];
        file.Read(name, bytes);
        return bytes;
    }

    private static long Length(ITensorFile file, string name)
    {
        var info = file.Get(name);
        return info.ByteLength <= Array.MaxLength ? info.Count
            : throw new UserErrorException(
            $"tensor {Printable.Quote(name)} in {file.Path} has {info.ByteLength} bytes, too many for one read.");
    }
}
