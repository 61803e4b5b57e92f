using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.Checkpoints;

/// <summary>
/// A safetensors file: an 8-byte little-endian header length, a JSON header, the tensors' bytes without gaps
/// (https://huggingface.co/docs/safetensors). The header is believed only as far as the file's own length confirms it.
/// </summary>
public sealed class SafetensorsFile : ITensorFile
{
    private readonly SafeFileHandle _handle;
    private readonly SafetensorsHeader _header;
    private readonly Dictionary<string, int> _index;
    private readonly long _dataStart;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header, long dataStart)
    {
        (Path, _handle, _header, _dataStart) = (path, handle, header, dataStart);
        Tensors = header.Tensors.Select(t => t.Info).ToList();
        _index = Enumerable.Range(0, Tensors.Count).ToDictionary(i => Tensors[i].Name);
    }

    public string Path { get; }
    public IReadOnlyList<TensorInfo> Tensors { get; }
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file only if it is the one with this SHA-256.</summary>
    /// <exception cref="UserErrorException">It is missing, or another.</exception>
    public static SafetensorsFile Open(string path, string sha256) => TensorFile.Sha256(path) == sha256
        ? Open(path)
        : throw new UserErrorException($"{path} is damaged: its SHA-256 is not the one that was recorded when it was written.");

    public static SafetensorsFile Open(string path)
    {
        var handle = TensorFile.OpenHandle(path);
        try
        {
            var length = RandomAccess.GetLength(handle);
            if (length < 8) throw SafetensorsHeader.Damaged(path, "it is shorter than the 8 bytes that give its header's length");
            Span<byte> prefix = stackalloc byte[8];
            TensorFile.ReadExactly(path, handle, prefix, 0);
            var headerLength = BitConverter.ToUInt64(prefix);
            if (headerLength > SafetensorsHeader.MaxLength || (long)headerLength > length - 8)
                throw SafetensorsHeader.Damaged(path, $"its header claims {headerLength} bytes, but the file has {length}");
            var bytes = new byte[(int)headerLength];
            TensorFile.ReadExactly(path, handle, bytes, 8);
            var dataStart = 8 + (long)headerLength;
            return new SafetensorsFile(path, handle, SafetensorsHeader.Parse(path, bytes, length - dataStart), dataStart);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public bool TryGet(string name, out TensorInfo info)
    {
        var found = _index.TryGetValue(name, out var i);
        info = found ? Tensors[i] : null!;
        return found;
    }

    public void Read(string name, Span<byte> destination, long offset = 0)
    {
        var info = TensorFile.CheckRange(this, name, offset, destination.Length);
        TensorFile.ReadExactly(Path, _handle, destination, _dataStart + _header.Tensors[_index[info.Name]].Begin + offset);
    }

    public void ReadFloats(string name, Span<float> destination, long offset = 0) => TensorFile.ReadFloats(this, name, destination, offset);

    /// <summary>A tensor's bytes as the system maps them: read when first touched, kept as long as there is room. Outlives this object.</summary>
    /// <exception cref="IOException">The system maps no more files for this process.</exception>
    internal MemoryMappedViewAccessor Map(string name)
    {
        var info = this.Get(name);
        using var file = MemoryMappedFile.CreateFromFile(
            _handle, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        return file.CreateViewAccessor(_dataStart + _header.Tensors[_index[info.Name]].Begin, info.ByteLength, MemoryMappedFileAccess.Read);
    }

    public void Dispose() => _handle.Dispose();
}
