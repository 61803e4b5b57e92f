using System.Text;
using System.Text.Json;
using ClipMoe.Model.Files;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Datasets;

/// <summary>Decodes an image to see whether it can be.</summary>
/// <exception cref="BadSampleException">It can't be decoded.</exception>
public delegate void ImageCheck(ReadOnlyMemory<byte> file);

/// <summary>What a scan sees of one usable sample.</summary>
/// <param name="File">The image file's bytes.</param>
public readonly record struct ScannedSample(int Index, ReadOnlyMemory<byte> File, Caption Caption);

public sealed record BadSample(int Index, string Key, string Reason);

/// <summary>
/// Which samples of a data set can't be used, found once by reading all of them, and written down so that every later stage skips the same
/// ones. Tied to the data set's fingerprint.
/// </summary>
public sealed class DatasetScan
{
    /// <summary>One JSON object a line: index, key, reason.</summary>
    public const string BadSamplesFile = "bad-samples.jsonl";

    /// <summary>Hash and stamp of every sample, see <see cref="SampleHashes"/>. Of this machine's files: another may lack it.</summary>
    public const string SamplesFile = "scan-samples.bin";

    /// <summary>What was scanned; written last, so that where it is the list of bad samples is complete.</summary>
    public const string ScanFile = "scan.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <param name="Content">Null in files of versions that hashed no content.</param>
    private sealed record Header(string Dataset, DatasetFormat Format, string Fingerprint, int Samples, int Bad, string? Content);

    private readonly ICaptionedImages _data;
    private readonly SampleHashes? _samples;

    /// <param name="samples">Null where they are on another machine.</param>
    private DatasetScan(ICaptionedImages data, IReadOnlyList<BadSample> bad, SampleHashes? samples, string? contentHash)
    {
        _data = data;
        _samples = samples;
        Bad = bad;
        ContentHash = contentHash;
    }

    /// <summary>
    /// XxHash128 (hexadecimal) over the captions and image bytes of all samples in their order. Null for a scan by a version that took
    /// none.
    /// </summary>
    public string? ContentHash { get; }

    /// <summary>Ascending by index.</summary>
    public IReadOnlyList<BadSample> Bad { get; }

    /// <summary>Indices of all other samples, ascending.</summary>
    public int[] Usable()
    {
        var bad = Bad.Select(b => b.Index).ToHashSet();
        return [.. Enumerable.Range(0, _data.Count).Where(i => !bad.Contains(i))];
    }

    /// <summary>Reads and decodes every sample, on all cores.</summary>
    /// <param name="check">Called from several threads at once.</param>
    /// <param name="seen">Called for each usable sample, from several threads at once and in no order.</param>
    public static DatasetScan Run(ICaptionedImages data, ImageCheck check, CancellationToken cancellation,
        Action<ScannedSample>? seen = null)
    {
        var bad = new List<BadSample>();
        var samples = new SampleHashes(data.Count);
        DedicatedThreads.For(
            data.Count,
            Environment.ProcessorCount,
            i =>
            {
                try
                {
                    var (caption, file) = samples.Take(data, i);
                    check(file);
                    seen?.Invoke(new ScannedSample(i, file, caption));
                }
                catch (BadSampleException e)
                {
                    lock (bad)
                        bad.Add(new BadSample(i, data.Key(i), e.Message));
                }
            },
            cancellation);
        bad.Sort((a, b) => a.Index.CompareTo(b.Index));
        return new DatasetScan(data, bad, samples, samples.Combined);
    }

    public void Save(string folder)
    {
        var lines = new StringBuilder();
        foreach (var sample in Bad)
            lines.Append(JsonSerializer.Serialize(sample, Json)).Append('\n');
        AtomicFile.WriteAllText(Path.Join(folder, BadSamplesFile), lines.ToString());
        _samples?.Save(Path.Join(folder, SamplesFile));
        var header = new Header(_data.Name, _data.Format, _data.Fingerprint, _data.Count, Bad.Count, ContentHash);
        AtomicFile.WriteAllText(Path.Join(folder, ScanFile), JsonSerializer.Serialize(header, Json) + "\n");
    }

    /// <summary>
    /// The scan that <see cref="Save"/> left in the folder; null when there is none. Samples whose files have another size or time than
    /// then are read again. Where <see cref="SamplesFile"/> is missing, as on a machine that only helps, names and sizes alone are
    /// compared.
    /// </summary>
    /// <exception cref="UserErrorException">The data set has changed since, or the files are damaged.</exception>
    public static DatasetScan? Load(string folder, ICaptionedImages data)
    {
        var path = Path.Join(folder, ScanFile);
        if (!File.Exists(path))
            return null;
        var (header, bad, samples) = Read(folder, path);
        var differing = header.Fingerprint != data.Fingerprint ? "contents differ"
            : samples?.FindChanged(data) is { } changed ? $"the content of {data.Key(changed)} differs"
            : null;
        if (differing is not null)
            throw new UserErrorException(
                $"The data set {data.Name} is not what it was when {folder} was started ({header.Samples} samples in {header.Dataset} " +
                $"then, "
                +
                $"{data.Count} now, {differing}): put the data back as it was, or start with a new output folder.");
        return new DatasetScan(data, bad, samples, header.Content);
    }

    /// <param name="maxBadFraction">0 … 1</param>
    /// <param name="folder">Where the scan was saved, for the message.</param>
    /// <exception cref="UserErrorException">More samples than that are bad.</exception>
    public void RequireAtMost(double maxBadFraction, string folder)
    {
        if (Bad.Count <= maxBadFraction * _data.Count)
            return;
        var reasons = Bad.CountBy(b => b.Reason).OrderByDescending(r => r.Value).ThenBy(r => r.Key, StringComparer.Ordinal).Take(3);
        var most = string.Join(", ", reasons.Select(r => $"{r.Value} {r.Key}"));
        throw new UserErrorException(
            $"{Bad.Count} of the {_data.Count} samples of {_data.Name} can't be used ({most}), more than max_bad_fraction " +
            $"{maxBadFraction} " +
            $"allows: see {Path.Join(folder, BadSamplesFile)}; repair the data, or raise max_bad_fraction.");
    }

    private static (Header Header, List<BadSample> Bad, SampleHashes? Samples) Read(string folder, string path)
    {
        try
        {
            var header = JsonSerializer.Deserialize<Header>(File.ReadAllText(path), Json);
            var bad = File.ReadLines(Path.Join(folder, BadSamplesFile)).Select(line => JsonSerializer.Deserialize<BadSample>(line, Json)!)
                .ToList();
            var hashes = Path.Join(folder, SamplesFile);
            var samples = header?.Content is not null && File.Exists(hashes) ? SampleHashes.Load(hashes, header.Samples) : null;
            var belong = header is not null && header.Bad == bad.Count && bad.All(b => b?.Index >= 0 && b.Index < header.Samples)
                && (samples is null || samples.Combined == header.Content);
            if (belong)
                return (header!, bad, samples);
            throw new JsonException("its files do not belong together");
        }
        catch (Exception e) when (e is JsonException or IOException or InvalidDataException)
        {
            throw new UserErrorException(
                $"The scan of the data set in {folder} is damaged ({e.Message}): delete {path}, and the data is read again.", e);
        }
    }
}
