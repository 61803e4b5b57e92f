using System.Text.RegularExpressions;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// Webdataset tars, read in place: samples in the order in which they lie in the shards, shards by ordinal name. In memory are the offsets
/// of images and captions and the keys.
/// </summary>
internal sealed partial class WebDataset : ICaptionedImages
{
    private const int MaxShards = 1_000_000;

    private readonly string[] _shards;
    private readonly string[] _shardNames;
    private readonly WebDatasetShard[] _contents;
    private readonly int[] _firstSample;
    private readonly ulong[] _stamps;

    private WebDataset(string name, string root, string[] shards, string? indexFolder)
    {
        Name = name;
        _shards = shards;
        _shardNames = [.. shards.Select(s => Path.GetRelativePath(root, s).Replace('\\', '/'))];
        _stamps = [.. shards.Select(s => SampleFile.Stamp(s))];
        _contents = new WebDatasetShard[shards.Length];
        DedicatedThreads.For(shards.Length, Environment.ProcessorCount, i => _contents[i] = WebDatasetShard.Open(shards[i], indexFolder));
        _firstSample = new int[shards.Length];
        var fingerprint = new FingerprintBuilder("webdataset");
        for (var s = 0; s < shards.Length; s++)
        {
            _firstSample[s] = Count;
            Count = checked(Count + _contents[s].Samples.Count);
            fingerprint.Add(_shardNames[s]).Add(_contents[s].Samples.Count);
            for (var i = 0; i < _contents[s].Samples.Count; i++)
                fingerprint.Add(_contents[s].Keys.Bytes(i)).Add(_contents[s].Samples[i].ImageLength)
                    .Add(_contents[s].Samples[i].CaptionLength);
        }

        Fingerprint = fingerprint.Finish();
    }

    public string Name { get; }
    public DatasetFormat Format => DatasetFormat.WebDataset;
    public int Count { get; }
    public string Fingerprint { get; }

    /// <param name="path">A tar, a folder of tars, or a pattern with braces: data/{00000..00099}.tar</param>
    /// <exception cref="UserErrorException">There are no such tars, one is damaged, or they hold no samples.</exception>
    public static WebDataset Open(string path, string? indexFolder)
    {
        try
        {
            var (root, shards) = FindShards(path);
            var data = new WebDataset(path, root, shards, indexFolder);
            return data.Count > 0
                ? data
                : throw new UserErrorException(
                $"The tars of {path} hold no samples: a sample is NAME.jpg and NAME.txt, one after the other.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The data set {path} can't be read: {e.Message}", e);
        }
    }

    public string Key(int index)
    {
        var (shard, i) = Locate(index);
        return $"{_shardNames[shard]}/{_contents[shard].Keys[i]}";
    }

    public Caption Caption(int index)
    {
        var (shard, i) = Locate(index);
        var sample = _contents[shard].Samples[i];
        return CaptionText.FromFile(Read(shard, sample.CaptionStart, sample.CaptionLength, CaptionText.MaxBytes, "caption"));
    }

    public ReadOnlyMemory<byte> ReadImage(int index)
    {
        var (shard, i) = Locate(index);
        var sample = _contents[shard].Samples[i];
        return Read(shard, sample.ImageStart, sample.ImageLength, SampleFile.MaxImageBytes, "image");
    }

    /// <summary>Of the whole tar, as it was when it was opened.</summary>
    public ulong Stamp(int index) => _stamps[Locate(index).Shard];

    public SampleSplit? GivenSplit(int index) => null;

    public void Dispose()
    {
    }

    /// <summary>Whether a path is meant as a brace pattern.</summary>
    public static bool IsPattern(string path) => Braces().IsMatch(path);

    private (int Shard, int Index) Locate(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var shard = Array.BinarySearch(_firstSample, index);
        if (shard < 0)
            return (~shard - 1, index - _firstSample[~shard - 1]);
        // Empty shards share their first sample's number with the shard that really has it.
        while (shard + 1 < _firstSample.Length && _firstSample[shard + 1] == index)
            shard++;
        return (shard, 0);
    }

    private byte[] Read(int shard, long start, long length, long max, string what)
    {
        if (length < 0)
            throw new BadSampleException($"missing {what} file");
        if (length == 0)
            throw new BadSampleException($"empty {what} file");
        if (length > max)
            throw new BadSampleException($"{what} file larger than {max >> 20} MiB");
        try
        {
            using var file = File.OpenHandle(_shards[shard]);
            return SampleFile.ReadRange(file, start, (int)length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadSampleException("the tar can't be read", e);
        }
    }

    private static (string Root, string[] Shards) FindShards(string path)
    {
        if (File.Exists(path))
            return (Path.GetDirectoryName(Path.GetFullPath(path))!, [Path.GetFullPath(path)]);
        if (Directory.Exists(path))
        {
            var root = new RootedPaths(path);
            string[] inside = [.. Directory.GetFiles(path, "*.tar").Select(t => Path.GetFileName(t)).Order(StringComparer.Ordinal)];
            if (inside.Length == 0)
                throw new UserErrorException($"The folder {path} holds no tar files.") { IsMissing = true };
            return (Path.GetFullPath(path), [.. inside.Select(t => Inside(root, path, t))]);
        }

        if (!IsPattern(path))
            throw new UserErrorException($"There is no tar {path}.") { IsMissing = true };
        string[] shards = [.. Expand(Path.GetFullPath(path))];
        if (shards.FirstOrDefault(s => !File.Exists(s)) is { } missing)
            throw new UserErrorException($"The tar {missing} of {path} is missing.") { IsMissing = true };
        var fixedPart = Path.GetFullPath(path)[..Path.GetFullPath(path).IndexOf('{')];
        return (Path.GetDirectoryName(fixedPart + "x")!, shards);
    }

    private static string Inside(RootedPaths root, string folder, string tar)
    {
        try
        {
            root.Resolve(tar);
            return Path.GetFullPath(tar, Path.GetFullPath(folder));
        }
        catch (BadSampleException e)
        {
            throw new UserErrorException($"The tar {tar} in {folder} can't be used: {e.Message}.", e);
        }
    }

    private static List<string> Expand(string pattern)
    {
        List<string> paths = [pattern];
        for (var match = Braces().Match(paths[0]); match.Success; match = Braces().Match(paths[0]))
        {
            var width = match.Groups[1].Length;
            if (!int.TryParse(match.Groups[1].Value, out var first) || !int.TryParse(match.Groups[2].Value, out var last)
                || last < first || ((long)last - first + 1) * paths.Count > MaxShards)
                throw new UserErrorException($"The range {match.Value} in {pattern} is not one of up to {MaxShards} shards, as in " +
                    $"{{00000..00099}}.");
            var range = Enumerable.Range(first, last - first + 1).Select(n => n.ToString($"D{width}"));
            paths = [.. paths.SelectMany(_ => range, (path, number) => Braces().Replace(path, number, 1))];
        }

        return paths;
    }

    [GeneratedRegex(@"\{(\d+)\.\.(\d+)\}")]
    private static partial Regex Braces();
}
