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

    /// <summary>What was scanned; written last, so that where it is the list of bad samples is complete.</summary>
    public const string ScanFile = "scan.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private sealed record Header(string Dataset, DatasetFormat Format, string Fingerprint, int Samples, int Bad);

    private readonly ICaptionedImages _data;

    private DatasetScan(ICaptionedImages data, IReadOnlyList<BadSample> bad)
    {
        _data = data;
        Bad = bad;
    }

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
    public static DatasetScan Run(ICaptionedImages data, ImageCheck check, CancellationToken cancellation, Action<ScannedSample>? seen = null)
    {
        var bad = new List<BadSample>();
        DedicatedThreads.For(
            data.Count,
            Environment.ProcessorCount,
            i =>
            {
                try
                {
                    var caption = data.Caption(i);
                    var file = data.ReadImage(i);
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
        return new DatasetScan(data, bad);
    }

    public void Save(string folder)
    {
        var lines = new StringBuilder();
        foreach (var sample in Bad)
            lines.Append(JsonSerializer.Serialize(sample, Json)).Append('\n');
        AtomicFile.WriteAllText(Path.Join(folder, BadSamplesFile), lines.ToString());
        var header = new Header(_data.Name, _data.Format, _data.Fingerprint, _data.Count, Bad.Count);
        AtomicFile.WriteAllText(Path.Join(folder, ScanFile), JsonSerializer.Serialize(header, Json) + "\n");
    }

    /// <summary>The scan that <see cref="Save"/> left in the folder; null when there is none.</summary>
    /// <exception cref="UserErrorException">The data set has changed since, or the files are damaged.</exception>
    public static DatasetScan? Load(string folder, ICaptionedImages data)
    {
        var path = Path.Join(folder, ScanFile);
        if (!File.Exists(path))
            return null;
        var (header, bad) = Read(folder, path);
        if (header.Fingerprint != data.Fingerprint)
            throw new UserErrorException(
                $"The data set {data.Name} is not what it was when {folder} was begun ({header.Samples} samples in {header.Dataset} then, " +
                $"{data.Count} now, contents differ): put the data back as it was, or start with a new output folder.");
        return new DatasetScan(data, bad);
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
            $"{Bad.Count} of the {_data.Count} samples of {_data.Name} can't be used ({most}), more than max_bad_fraction {maxBadFraction} " +
            $"allows: see {Path.Join(folder, BadSamplesFile)}; repair the data, or raise max_bad_fraction.");
    }

    private static (Header Header, List<BadSample> Bad) Read(string folder, string path)
    {
        try
        {
            var header = JsonSerializer.Deserialize<Header>(File.ReadAllText(path), Json);
            var bad = File.ReadLines(Path.Join(folder, BadSamplesFile)).Select(line => JsonSerializer.Deserialize<BadSample>(line, Json)!).ToList();
            if (header is not null && header.Bad == bad.Count && bad.All(b => b?.Index >= 0 && b.Index < header.Samples))
                return (header, bad);
            throw new JsonException("the two files do not belong together");
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            throw new UserErrorException(
                $"The scan of the data set in {folder} is damaged ({e.Message}): delete {path}, and the data is read again.", e);
        }
    }
}
