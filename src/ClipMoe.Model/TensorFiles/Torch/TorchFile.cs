using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>
/// PyTorch's file format since 1.6, a zip archive with a pickle of the structure and one record per storage: what <c>torch.save</c> writes
/// (a state dict, or a training checkpoint around one) and TorchScript archives as OpenAI published CLIP. No code of the file is run.
/// </summary>
public sealed class TorchFile : ITensorFile
{
    /// <summary>Name given to the tensor of a file that holds nothing else.</summary>
    public const string BareTensor = "tensor";

    /// <summary>Record in which <see cref="TorchWriter"/> keeps <see cref="Metadata"/>; PyTorch passes over it.</summary>
    internal const string MetadataRecord = "extra/clipmoe.json";

    private const int MaxPickleLength = 1 << 26, MaxMetadataLength = 1 << 24;

    /// <summary>Tensors may share storages (tied weights), but no checkpoint does so this often.</summary>
    private const int MaxSharing = 64;

    private readonly SafeFileHandle _handle;
    private readonly ZipDirectory _zip;
    private readonly Dictionary<string, TorchTensor> _tensors;
    private readonly HashSet<ZipEntry> _verified = new(ReferenceEqualityComparer.Instance);
    private readonly Lock _gate = new();
    private (string Name, byte[] Bytes)? _gathered;

    private TorchFile(string path, SafeFileHandle handle)
    {
        (Path, _handle) = (path, handle);
        _zip = ZipDirectory.Read(path, handle);
        var root = FindRoot();
        if (Small($"{root}/byteorder", 16) is { } order && !order.AsSpan().SequenceEqual("little"u8))
            throw new UserErrorException($"{path} was written on a big-endian machine, which ClipMoe does not read.");
        var pickle = Unpickler.Load(path, Small($"{root}/data.pkl", MaxPickleLength)!);
        var found = StateDict.Find(path, pickle, new ScriptClasses(_zip, root));
        _tensors = found.ToDictionary(t => t.Key, t => TorchTensor.Create(_zip, root, t.Key, t.Value));
        Tensors = found.Keys.Select(n => _tensors[n].Info).ToList();
        if (Tensors.Sum(t => (decimal)t.ByteLength) > (decimal)MaxSharing * RandomAccess.GetLength(handle))
            throw _zip.Damaged("its tensors claim far more bytes than it has");
        Metadata = ReadMetadata(Small($"{root}/{MetadataRecord}", MaxMetadataLength));
    }

    public string Path { get; }
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>What our own writer put beside the tensors; empty for other files.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    public static TorchFile Open(string path)
    {
        var handle = TensorFileReads.OpenHandle(path);
        try
        {
            return new TorchFile(path, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public bool TryGet(string name, out TensorInfo info)
    {
        var found = _tensors.TryGetValue(name, out var tensor);
        info = found ? tensor!.Info : null!;
        return found;
    }

    public void Read(string name, Span<byte> destination, long offset = 0)
    {
        TensorFileReads.CheckRange(this, name, offset, destination.Length);
        var tensor = _tensors[name];
        Verify(tensor.Storage);
        if (tensor.IsContiguous) TensorFileReads.ReadExactly(Path, _handle, destination, tensor.FilePosition + offset);
        else Gathered(tensor).AsSpan((int)offset, destination.Length).CopyTo(destination);
    }

    public void ReadFloats(string name, Span<float> destination, long offset = 0) =>
        TensorFileReads.ReadFloats(this, name, destination, offset);

    public void Dispose() => _handle.Dispose();

    private string FindRoot()
    {
        var pickles = _zip.Entries.Where(e => e.Name.EndsWith("/data.pkl", StringComparison.Ordinal) && e.Name.Count(c => c == '/') == 1)
            .ToList();
        return pickles is [var pickle] ? pickle.Name[..pickle.Name.IndexOf('/')]
            : throw new UserErrorException(
            $"{Path} is a zip archive, but not one of PyTorch's: it holds {pickles.Count} data.pkl instead of one.");
    }

    private byte[]? Small(string name, int maxLength) => _zip.Find(name) is { } entry ? _zip.ReadSmall(entry, maxLength) : null;

    private Dictionary<string, string> ReadMetadata(byte[]? json)
    {
        try
        {
            return json is null ? [] : JsonSerializer.Deserialize<Dictionary<string, string>>(json) ?? [];
        }
        catch (JsonException e)
        {
            throw _zip.Damaged($"its {MetadataRecord} is no JSON object of texts", e);
        }
    }

    /// <summary>
    /// A storage's checksum is verified at its first use, so that opening a file stays cheap and a flipped bit is still found.
    /// </summary>
    private void Verify(ZipEntry storage)
    {
        lock (_gate)
        {
            if (_verified.Contains(storage)) return;
            _zip.VerifyStored(storage);
            _verified.Add(storage);
        }
    }

    /// <summary>
    /// The elements of a strided view in row-major order; the last one is kept, since large tensors are read piece by piece.
    /// </summary>
    private byte[] Gathered(TorchTensor tensor)
    {
        lock (_gate)
        {
            if (_gathered is { } last && last.Name == tensor.Info.Name) return last.Bytes;
            var size = tensor.Info.Type.Size();
            if (tensor.Extent * size > Array.MaxLength)
            {
                throw new UserErrorException(
                    $"{Printable.Quote(tensor.Info.Name)} in {Path} is a strided view of {tensor.Extent * size} bytes, too many to be " +
                    $"put in order.");
            }

            var extent = new byte[tensor.Extent * size];
            TensorFileReads.ReadExactly(Path, _handle, extent, tensor.FilePosition);
            var bytes = new byte[tensor.Info.ByteLength];
            tensor.Gather(extent, bytes);
            _gathered = (tensor.Info.Name, bytes);
            return bytes;
        }
    }
}
