using System.Text.Json;

namespace ClipMoe.Model.TensorFiles.Safetensors;

/// <summary>
/// One tensor of a safetensors header: its bytes are <c>[Begin, Begin + Info.ByteLength)</c> of the data that follows the header.
/// </summary>
internal sealed record SafetensorsEntry(TensorInfo Info, long Begin);

/// <summary>The JSON header of a safetensors file, read strictly: every rule of the format is checked.</summary>
internal sealed record SafetensorsHeader(IReadOnlyList<SafetensorsEntry> Tensors, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>The format's own limit of a header's length, in bytes.</summary>
    public const ulong MaxLength = 100_000_000;

    /// <summary>Far above any model; keeps what a hostile header can make us allocate near the file's own size.</summary>
    private const int MaxTensors = 200_000, MaxRank = 64;

    private const string MetadataKey = "__metadata__";

    public static UserErrorException Damaged(string path, string why, Exception? inner = null) =>
        new($"{path} is not a whole safetensors file: {why}; copy or convert it again.", inner);

    /// <param name="path">Named in errors.</param>
    /// <param name="json">The header's bytes.</param>
    /// <param name="dataLength">Bytes of the file behind the header; the tensors must fill them exactly.</param>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        if (json.IsEmpty || json[0] != (byte)'{') throw Damaged(path, "its header is no JSON object");
        try
        {
            return ParseObject(path, json, dataLength);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw Damaged(path, $"its header is no valid JSON of the format ({FirstSentence(e.Message)})", e);
        }
    }

    private static SafetensorsHeader ParseObject(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 4 });
        var tensors = new List<SafetensorsEntry>();
        var names = new HashSet<string>();
        var metadata = new Dictionary<string, string>();
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (!names.Add(name)) throw Damaged(path, $"its header names {Printable.Quote(name)} twice");
            reader.Read();
            if (name == MetadataKey)
            {
                ReadMetadata(path, ref reader, metadata);
                continue;
            }

            if (tensors.Count == MaxTensors) throw Damaged(path, $"its header names more than {MaxTensors} tensors");
            tensors.Add(ReadTensor(path, name, ref reader));
        }

        if (reader.Read()) throw Damaged(path, "something follows its header's object");
        CheckLayout(path, tensors, dataLength);
        return new SafetensorsHeader(tensors, metadata);
    }

    private static void ReadMetadata(string path, ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Damaged(path, $"{MetadataKey} is no object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Damaged(path, $"{MetadataKey} value {Printable.Quote(key)} is no string");
            if (!metadata.TryAdd(key, reader.GetString()!)) throw Damaged(path, $"{MetadataKey} names {Printable.Quote(key)} twice");
        }
    }

    private static SafetensorsEntry ReadTensor(string path, string name, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Damaged(path, $"tensor {Printable.Quote(name)} has no description");
        TensorType? type = null;
        List<long>? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when type is null:
                    type = TypeOf(path, name, reader.GetString());
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(path, name, ref reader, MaxRank);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(path, name, ref reader, 2);
                    break;
                default:
                    throw Damaged(path, $"tensor {Printable.Quote(name)} has an unknown or repeated field {Printable.Quote(key)}");
            }
        }

        if (type is null || shape is null || offsets is not [var begin, var end])
            throw Damaged(path, $"tensor {Printable.Quote(name)} lacks dtype, shape or data_offsets");
        if (TensorInfo.CountOf(shape) is not { } count || begin > end || end - begin != count * type.Value.Size())
        {
            var shown = $"{Printable.Quote(name)} of shape [{string.Join(", ", shape)}] and type {type}";
            throw Damaged(path, $"tensor {shown} does not fit its offsets {begin}–{end}");
        }

        return new SafetensorsEntry(new TensorInfo(name, type.Value, shape), begin);
    }

    private static TensorType TypeOf(string path, string name, string? text) => text switch
    {
        "BOOL" => TensorType.Bool,
        not null and not "Bool" when Enum.TryParse<TensorType>(text, out var type) && type.ToString() == text => type,
        _ => throw new UserErrorException(
            $"tensor {Printable.Quote(name)} in {path} has the type {text ?? "null"}, which ClipMoe does not read."),
    };

    private static List<long> ReadNumbers(string path, string name, ref Utf8JsonReader reader, int most)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Damaged(path, $"tensor {Printable.Quote(name)} has a list that is none");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (!reader.TryGetInt64(out var number) || number < 0 || numbers.Count == most)
                throw Damaged(path, $"tensor {Printable.Quote(name)} has a negative, too large or superfluous number in its shape or " +
                    $"offsets");
            numbers.Add(number);
        }

        return numbers;
    }

    /// <summary>The tensors must follow each other without gap or overlap and end with the file.</summary>
    private static void CheckLayout(string path, List<SafetensorsEntry> tensors, long dataLength)
    {
        var end = 0L;
        foreach (var tensor in tensors.OrderBy(t => t.Begin).ThenBy(t => t.Info.ByteLength))
        {
            if (tensor.Begin != end)
                throw Damaged(path, $"tensor {Printable.Quote(tensor.Info.Name)} begins at byte {tensor.Begin} of the data instead of " +
                    $"{end}");
            end += tensor.Info.ByteLength;
        }

        if (end != dataLength) throw Damaged(path, $"its tensors need {end} bytes, but {dataLength} follow the header");
    }

    private static string FirstSentence(string message) => message.Split(['.', '\n'])[0];
}
