using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace ClipMoe.Model.TensorFiles.Safetensors;

/// <summary>Writes a safetensors file; every tensor begins at a multiple of its element size, as readers that map the file need.</summary>
public sealed class SafetensorsWriter : TensorWriter
{
    private static readonly string Unknown = new('0', 2 * SHA256.HashSizeInBytes);

    private readonly long[] _positions;
    private readonly long _dataStart, _hashPosition;
    private readonly IncrementalHash? _hash;
    private long _hashed;

    /// <param name="metadata">
    /// With a value under <see cref="SafetensorsFile.DataHashKey"/>, the file carries the SHA-256 of its data there, whatever the value is.
    /// </param>
    public SafetensorsWriter(string path, IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string>? metadata = null)
        : base(path, tensors)
    {
        try
        {
            _positions = Positions(tensors);
            var header = Header(metadata ?? new Dictionary<string, string>());
            _dataStart = 8 + header.Length;
            if (metadata?.ContainsKey(SafetensorsFile.DataHashKey) == true)
            {
                _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                _hashPosition = 8 + header.AsSpan().IndexOf(Encoding.UTF8.GetBytes($"\"{SafetensorsFile.DataHashKey}\":\"{Unknown}\""))
                    + SafetensorsFile.DataHashKey.Length + 4;
            }

            File.WriteAt(0, [.. BitConverter.GetBytes((ulong)header.Length), .. header]);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private protected override void WriteElements(int index, long offset, ReadOnlySpan<byte> bytes)
    {
        File.WriteAt(_dataStart + _positions[index] + offset, bytes);
        if (_hash is null || _positions[index] + offset != _hashed) return;
        _hash.AppendData(bytes);
        _hashed += bytes.Length;
    }

    /// <summary>
    /// Tensors of one type are written in the order in which they lie in the file, and hashed on the way; where types are mixed, the rest
    /// is read again, most likely from memory.
    /// </summary>
    private protected override void Finish()
    {
        if (_hash is null) return;
        var buffer = new byte[1 << 20];
        for (int read; (read = RandomAccess.Read(File.Stream.SafeFileHandle, buffer, _dataStart + _hashed)) > 0; _hashed += read)
            _hash.AppendData(buffer.AsSpan(0, read));
        File.WriteAt(_hashPosition, Encoding.ASCII.GetBytes(Convert.ToHexStringLower(_hash.GetHashAndReset())));
        _hash.Dispose();
    }

    /// <summary>Wide elements first: then each type begins aligned without gaps, which the format forbids.</summary>
    private static long[] Positions(IReadOnlyList<TensorInfo> tensors)
    {
        var positions = new long[tensors.Count];
        var end = 0L;
        foreach (var i in Enumerable.Range(0, tensors.Count).OrderByDescending(i => tensors[i].Type.Size()))
        {
            positions[i] = end;
            end += tensors[i].ByteLength;
        }

        return positions;
    }

    private byte[] Header(IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata) json.WriteString(key, key == SafetensorsFile.DataHashKey ? Unknown : value);
                json.WriteEndObject();
            }

            for (var i = 0; i < Tensors.Count; i++) WriteEntry(json, Tensors[i], _positions[i]);
            json.WriteEndObject();
        }

        var padded = new byte[(buffer.WrittenCount + 7) / 8 * 8];
        padded.AsSpan().Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(padded);
        return padded;
    }

    private static void WriteEntry(Utf8JsonWriter json, TensorInfo tensor, long position)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.Type == TensorType.Bool ? "BOOL" : tensor.Type.ToString());
        json.WriteStartArray("shape");
        foreach (var size in tensor.Shape) json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(position);
        json.WriteNumberValue(position + tensor.ByteLength);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
