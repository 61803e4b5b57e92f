using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace ClipMoe.Model.Checkpoints;

/// <summary>Writes a safetensors file; every tensor begins at a multiple of its element size, as readers that map the file need.</summary>
public sealed class SafetensorsWriter : TensorWriter
{
    private readonly long[] _positions;
    private readonly long _dataStart;

    public SafetensorsWriter(string path, IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string>? metadata = null)
        : base(path, tensors)
    {
        _positions = new long[tensors.Count];
        var end = 0L;
        // Wide elements first: then each type begins aligned without gaps, which the format forbids.
        foreach (var i in Enumerable.Range(0, tensors.Count).OrderByDescending(i => tensors[i].Type.Size()))
        {
            _positions[i] = end;
            end += tensors[i].ByteLength;
        }

        var header = Header(metadata ?? new Dictionary<string, string>());
        _dataStart = 8 + header.Length;
        File.WriteAt(0, [.. BitConverter.GetBytes((ulong)header.Length), .. header]);
    }

    private protected override void WriteElements(int index, long offset, ReadOnlySpan<byte> bytes) =>
        File.WriteAt(_dataStart + _positions[index] + offset, bytes);

    private protected override void Finish()
    {
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
                foreach (var (key, value) in metadata) json.WriteString(key, value);
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
