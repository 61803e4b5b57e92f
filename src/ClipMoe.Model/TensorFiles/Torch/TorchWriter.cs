using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>
/// Writes a state dict as <c>torch.save</c> does: a zip archive of stored records with <c>data.pkl</c> and one 64-byte aligned record per
/// storage. Python's <c>torch.load</c>, with <c>weights_only=True</c> as well, opens it from version 1.6 (1.13) on.
/// </summary>
public sealed class TorchWriter : TensorWriter
{
    private const string Root = "archive";

    private readonly ZipRecords _zip;
    private readonly Dictionary<string, string> _metadata;
    private Crc32 _crc = new();
    private int _open = -1;

    public TorchWriter(string path, IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string>? metadata = null)
        : base(path, tensors)
    {
        _zip = new ZipRecords(File, Root);
        // Records have checksums of their own, and the data of a safetensors file would not have the same hash.
        _metadata = metadata?.Where(m => m.Key != SafetensorsFile.DataHashKey).ToDictionary() ?? [];
        try
        {
            _zip.Add("data.pkl", StateDictPickle.Write(tensors));
            _zip.Add("byteorder", "little"u8);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private protected override void WriteElements(int index, long offset, ReadOnlySpan<byte> bytes)
    {
        OpenThrough(index);
        _crc.Append(bytes);
        _zip.WriteData(offset, bytes);
    }

    private protected override void Finish()
    {
        OpenThrough(Tensors.Count);
        _zip.Add("version", "3\n"u8);
        if (_metadata.Count > 0) _zip.Add(TorchFile.MetadataRecord, JsonSerializer.SerializeToUtf8Bytes(_metadata));
        _zip.WriteDirectory();
    }

    /// <summary>Closes the record that is being written and begins the next ones; those of empty tensors on the way stay empty.</summary>
    private void OpenThrough(int index)
    {
        while (_open < index)
        {
            if (_open >= 0) _zip.Close(_crc.GetCurrentHashAsUInt32());
            _crc = new Crc32();
            if (++_open < Tensors.Count) _zip.Open($"data/{_open}", Tensors[_open].ByteLength);
        }
    }
}
