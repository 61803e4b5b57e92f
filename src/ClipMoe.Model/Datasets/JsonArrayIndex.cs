using System.Text.Json;

namespace ClipMoe.Model.Datasets;

/// <summary>Where each element of a top-level JSON array lies in its file, found in one pass through a small buffer.</summary>
internal sealed class JsonArrayIndex
{
    /// <summary>A single string may be as long as this; nesting as deep as 64.</summary>
    private const int MaxTokenBytes = 64 << 20;

    private readonly List<long> _starts = [];
    private readonly List<long> _ends = [];
    private readonly PackedStrings _properties = new();

    private JsonArrayIndex()
    {
    }

    public int Count => _ends.Count;

    public (long Start, long Length) Range(int index) => (_starts[index], _ends[index] - _starts[index]);

    /// <summary>The string property of an element that was asked for; empty when it is missing or no string.</summary>
    public string Property(int index) => _properties[index];

    /// <param name="property">Name of a string property of the elements to keep in memory.</param>
    /// <param name="fingerprint">Gets all bytes of the file.</param>
    /// <exception cref="UserErrorException">The file is no well-formed JSON array.</exception>
    public static JsonArrayIndex Read(string file, ReadOnlySpan<byte> property, FingerprintBuilder fingerprint)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        var index = new JsonArrayIndex();
        var state = new JsonReaderState();
        var elements = new ElementState();
        var buffer = new byte[1 << 20];
        var filled = 0;
        var bufferStart = 0L;
        try
        {
            while (true)
            {
                var read = stream.Read(buffer.AsSpan(filled));
                fingerprint.AddPart(buffer.AsSpan(filled, read));
                filled += read;
                var bom = bufferStart == 0 && filled >= 3 && buffer.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
                var reader = new Utf8JsonReader(buffer.AsSpan(bom, filled - bom), isFinalBlock: read == 0, state);
                while (reader.Read())
                    index.Take(ref reader, bufferStart + bom, property, ref elements);
                if (read == 0)
                    break;
                state = reader.CurrentState;
                var consumed = bom + (int)reader.BytesConsumed;
                buffer.AsSpan(consumed, filled - consumed).CopyTo(buffer);
                filled -= consumed;
                bufferStart += consumed;
                if (filled == MaxTokenBytes)
                    throw new JsonException($"a string is longer than {MaxTokenBytes >> 20} MiB");
                if (filled == buffer.Length)
                    Array.Resize(ref buffer, 2 * filled);
            }
        }
        catch (JsonException e)
        {
            throw new UserErrorException($"{file} is no JSON array of samples, or is cut off or damaged after byte {bufferStart}: " +
                $"{e.Message}", e);
        }

        return index;
    }

    private struct ElementState
    {
        public bool IsPropertyNext;
        public string Property;
    }

    private void Take(ref Utf8JsonReader reader, long bufferStart, ReadOnlySpan<byte> property, ref ElementState element)
    {
        if (reader.CurrentDepth == 0)
        {
            if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.EndArray))
                throw new JsonException("the file must be one list, [ … ]");
        }
        else if (reader.CurrentDepth == 1)
        {
            if (reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray))
            {
                _starts.Add(bufferStart + reader.TokenStartIndex);
                element = new ElementState { Property = "" };
            }

            if (reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
            {
                _ends.Add(bufferStart + reader.BytesConsumed);
                _properties.Add(element.Property);
            }
        }
        else if (reader.CurrentDepth == 2)
        {
            if (element.IsPropertyNext && reader.TokenType == JsonTokenType.String)
                element.Property = StringOrEmpty(ref reader);
            element.IsPropertyNext = reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals(property);
        }
    }

    private static string StringOrEmpty(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            return "";
        }
    }
}
