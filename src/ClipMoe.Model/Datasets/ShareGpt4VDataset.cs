using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// The JSON array of ShareGPT4V, [{"image": PATH, "conversations": [{…}, {"value": CAPTION}]}, …], read in place: in memory are the byte
/// range and the image path of each entry. The split is the reference's (train/dataset.py): the first 10,000 entries are for validation,
/// the others for training; a file with no more than that gives no split.
/// </summary>
internal sealed class ShareGpt4VDataset : ICaptionedImages
{
    private const int ValidationSamples = 10_000;
    private const int MaxEntryBytes = 4 << 20;

    private readonly SafeFileHandle _file;
    private readonly RootedPaths _root;
    private readonly JsonArrayIndex _index;

    private ShareGpt4VDataset(string file, string? imageRoot)
    {
        Name = file;
        _root = RootedPaths.Below(imageRoot, file);
        var fingerprint = new FingerprintBuilder("sharegpt4v");
        _index = JsonArrayIndex.Read(file, "image"u8, fingerprint);
        foreach (var size in _root.Sizes(_index.Count, _index.Property))
            fingerprint.Add(size);
        Fingerprint = fingerprint.Finish();
        _file = File.OpenHandle(file, options: FileOptions.RandomAccess);
    }

    public string Name { get; }
    public DatasetFormat Format => DatasetFormat.ShareGpt4V;
    public int Count => _index.Count;
    public string Fingerprint { get; }

    /// <exception cref="UserErrorException">The file is no JSON array, or an empty one.</exception>
    public static ShareGpt4VDataset Open(string file, string? imageRoot)
    {
        try
        {
            var data = new ShareGpt4VDataset(file, imageRoot);
            return data.Count > 0 ? data : throw new UserErrorException($"{file} is an empty list: there is nothing to train on.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file} can't be read: {e.Message}", e);
        }
    }

    public string Key(int index) => _index.Property(index) is { Length: > 0 } image ? image : $"#{index}";

    public Caption Caption(int index)
    {
        try
        {
            using var entry = JsonDocument.Parse(ReadEntry(index));
            if (entry.RootElement.ValueKind == JsonValueKind.Object
                && entry.RootElement.TryGetProperty("conversations", out var conversations)
                && conversations.ValueKind == JsonValueKind.Array && conversations.GetArrayLength() > 1
                && conversations[1].ValueKind == JsonValueKind.Object && conversations[1].TryGetProperty("value", out var value)
                && value.ValueKind == JsonValueKind.String)
                return CaptionText.FromText(value.GetString()!);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new BadSampleException("bad JSON entry: not UTF-8", e);
        }

        throw new BadSampleException("bad JSON entry: no conversations[1].value");
    }

    public ReadOnlyMemory<byte> ReadImage(int index)
    {
        var image = _index.Property(index);
        if (image.Length == 0)
            throw new BadSampleException("bad JSON entry: no image");
        return SampleFile.ReadImage(_root.Resolve(image));
    }

    public ulong Stamp(int index) => _root.Stamp(_index.Property(index));

    public SampleSplit? GivenSplit(int index) =>
        Count <= ValidationSamples ? null : index < ValidationSamples ? SampleSplit.Validation : SampleSplit.Train;

    public void Dispose() => _file.Dispose();

    private byte[] ReadEntry(int index)
    {
        var (start, length) = _index.Range(index);
        if (length > MaxEntryBytes)
            throw new BadSampleException($"bad JSON entry: larger than {MaxEntryBytes >> 20} MiB");
        return SampleFile.ReadRange(_file, start, (int)length);
    }
}
