using ClipMoe.Model.Files;

namespace ClipMoe.Model.TensorFiles;

/// <summary>
/// Writes named tensors to a file without holding them: their list is given first, then the elements of one after the other, in pieces of
/// any size. The file appears at its path, whole, with <see cref="Commit"/>.
/// </summary>
public abstract class TensorWriter : IDisposable
{
    private int _current;
    private long _written;

    private protected TensorWriter(string path, IReadOnlyList<TensorInfo> tensors)
    {
        if (tensors.DistinctBy(t => t.Name).Count() != tensors.Count)
            throw new ArgumentException("two tensors have the same name", nameof(tensors));
        Tensors = tensors;
        File = AtomicFile.Create(path);
    }

    public IReadOnlyList<TensorInfo> Tensors { get; }

    private protected AtomicFile File { get; }

    /// <summary>
    /// Appends little-endian, row-major elements to the tensor <paramref name="name"/>; tensors come in the order of the list.
    /// </summary>
    /// <exception cref="IOException">The disk is full; the message says where and what to do.</exception>
    public void Write(string name, ReadOnlySpan<byte> bytes)
    {
        while (_current < Tensors.Count && _written == Tensors[_current].ByteLength) Advance();
        if (bytes.IsEmpty) return;
        if (_current == Tensors.Count || Tensors[_current].Name != name || bytes.Length > Tensors[_current].ByteLength - _written)
            throw new InvalidOperationException($"{bytes.Length} bytes of {name} are out of turn or too many");
        WriteElements(_current, _written, bytes);
        _written += bytes.Length;
    }

    /// <summary>Appends elements to the floating-point tensor <paramref name="name"/>, in the type that the list gives it.</summary>
    public void WriteFloats(string name, ReadOnlySpan<float> values)
    {
        const int chunk = 1 << 16;
        var type = Tensors.First(t => t.Name == name).Type;
        var buffer = new byte[Math.Min(chunk, values.Length) * type.Size()];
        while (!values.IsEmpty)
        {
            var count = Math.Min(chunk, values.Length);
            var bytes = buffer.AsSpan(0, count * type.Size());
            TensorConversion.FromFloats(type, values[..count], bytes);
            Write(name, bytes);
            values = values[count..];
        }
    }

    /// <summary>Puts the finished file in its place; without it, <see cref="Dispose"/> leaves nothing behind.</summary>
    public void Commit()
    {
        Write("", []);
        if (_current != Tensors.Count) throw new InvalidOperationException($"{Tensors[_current].Name} was not written");
        Finish();
        File.Commit();
    }

    public void Dispose()
    {
        File.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Puts <paramref name="bytes"/> at byte <paramref name="offset"/> of the tensor with this index; offsets only grow.</summary>
    private protected abstract void WriteElements(int index, long offset, ReadOnlySpan<byte> bytes);

    /// <summary>Called when all elements are written.</summary>
    private protected abstract void Finish();

    private void Advance()
    {
        _current++;
        _written = 0;
    }
}
