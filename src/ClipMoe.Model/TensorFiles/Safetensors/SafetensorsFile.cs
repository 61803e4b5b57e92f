using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using ClipMoe.Model.Files;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.TensorFiles.Safetensors;

/// <summary>
/// A safetensors file: an 8-byte little-endian header length, a JSON header, the tensors' bytes without gaps
/// (https://huggingface.co/docs/safetensors). The header is believed only as far as the file's own length confirms it. A file that carries
/// the hash of its data is hashed once, at the first read of a tensor (1 to 2 GB/s where the processor has instructions for SHA-256); what
/// that brought into the system's cache is then read from there.
/// </summary>
public sealed class SafetensorsFile : ITensorFile
{
    private readonly SafeFileHandle _handle;
    private readonly SafetensorsHeader _header;
    private readonly Dictionary<string, int> _index;
    private readonly long _dataStart;
    private readonly Lock _gate = new();
    private bool _isIntact;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header, long dataStart)
    {
        (Path, _handle, _header, _dataStart) = (path, handle, header, dataStart);
        Tensors = header.Tensors.Select(t => t.Info).ToList();
        _index = Enumerable.Range(0, Tensors.Count).ToDictionary(i => Tensors[i].Name);
        _isIntact = !Metadata.ContainsKey(DataHashKey);
    }

    /// <summary>Metadata under which our files carry the SHA-256 of all that follows the header, in lower-case hexadecimal.</summary>
    public const string DataHashKey = "data_sha256";

    public string Path { get; }
    public IReadOnlyList<TensorInfo> Tensors { get; }
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file only if it is the one with this SHA-256.</summary>
    /// <exception cref="UserErrorException">It is missing, or another.</exception>
    public static SafetensorsFile Open(string path, string sha256) => FileHash.Sha256OrNull(path) == sha256
        ? OpenIntact(path)
        : throw new UserErrorException(File.Exists(path)
            ? $"{path} is damaged: its SHA-256 is not the one that was recorded when it was written."
            : $"{path} does not exist.");

    /// <summary>Opens a file whose every byte the caller has just compared with a hash.</summary>
    internal static SafetensorsFile OpenIntact(string path)
    {
        var file = Open(path);
        file._isIntact = true;
        return file;
    }

    public static SafetensorsFile Open(string path)
    {
        var handle = TensorFileReads.OpenHandle(path);
        try
        {
            var length = RandomAccess.GetLength(handle);
            if (length < 8) throw SafetensorsHeader.Damaged(path, "it is shorter than the 8 bytes that give its header's length");
            Span<byte> prefix = stackalloc byte[8];
            TensorFileReads.ReadExactly(path, handle, prefix, 0);
            var headerLength = BitConverter.ToUInt64(prefix);
            if (headerLength > SafetensorsHeader.MaxLength || (long)headerLength > length - 8)
                throw SafetensorsHeader.Damaged(path, $"its header claims {headerLength} bytes, but the file has {length}");
            var bytes = new byte[(int)headerLength];
            TensorFileReads.ReadExactly(path, handle, bytes, 8);
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
        var info = TensorFileReads.CheckRange(this, name, offset, destination.Length);
        EnsureIntact();
        TensorFileReads.ReadExactly(Path, _handle, destination, _dataStart + _header.Tensors[_index[info.Name]].Begin + offset);
    }

    public void ReadFloats(string name, Span<float> destination, long offset = 0) =>
        TensorFileReads.ReadFloats(this, name, destination, offset);

    /// <summary>
    /// A tensor's bytes as the system maps them: read when first touched, kept as long as there is room. Outlives this object.
    /// </summary>
    /// <exception cref="IOException">The system maps no more files for this process.</exception>
    internal MemoryMappedViewAccessor Map(string name)
    {
        var info = this.Get(name);
        EnsureIntact();
        using var file = MemoryMappedFile.CreateFromFile(
            _handle, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        return file.CreateViewAccessor(_dataStart + _header.Tensors[_index[info.Name]].Begin, info.ByteLength, MemoryMappedFileAccess.Read);
    }

    /// <summary>SHA-256 of the whole file; compares its data with the hash that it carries in the same pass.</summary>
    internal string Sha256()
    {
        using var whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var start = new byte[_dataStart];
        TensorFileReads.ReadExactly(Path, _handle, start, 0);
        whole.AppendData(start);
        lock (_gate) HashData(whole);
        return Convert.ToHexStringLower(whole.GetHashAndReset());
    }

    public void Dispose() => _handle.Dispose();

    private void EnsureIntact()
    {
        lock (_gate)
        {
            if (!_isIntact) HashData(whole: null);
        }
    }

    /// <param name="whole">Takes the data as well.</param>
    private void HashData(IncrementalHash? whole)
    {
        using var data = _isIntact ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        var length = RandomAccess.GetLength(_handle);
        for (var position = _dataStart; position < length;)
        {
            var chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - position));
            TensorFileReads.ReadExactly(Path, _handle, chunk, position);
            data?.AppendData(chunk);
            whole?.AppendData(chunk);
            position += chunk.Length;
        }

        if (data is not null && Convert.ToHexStringLower(data.GetHashAndReset()) != Metadata[DataHashKey])
            throw new UserErrorException($"{Path} is damaged: its data is not what was written ({DataHashKey} differs); copy or make it " +
                $"again.");
        _isIntact = true;
    }
}
