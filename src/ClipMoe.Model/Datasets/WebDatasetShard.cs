using System.IO.Hashing;
using System.Text;
using ClipMoe.Model.Files;

namespace ClipMoe.Model.Datasets;

/// <summary>Where the image and the caption of one sample lie in a tar; a length of −1 means that there is none.</summary>
internal readonly record struct ShardSample(long ImageStart, long ImageLength, long CaptionStart, long CaptionLength)
{
    public static readonly ShardSample Empty = new(0, -1, 0, -1);

    public bool Has(bool caption) => (caption ? CaptionLength : ImageLength) >= 0;

    public ShardSample With(TarMember member, bool isCaption) => isCaption
        ? this with { CaptionStart = member.Start, CaptionLength = member.Length }
        : this with { ImageStart = member.Start, ImageLength = member.Length };
}

/// <summary>
/// The samples of one webdataset tar: an image and a caption with the same name up to the first dot of the file name. They usually follow
/// each other, but may lie apart, as in a tar made of a folder in no order; a second image or caption of a name begins another sample.
/// </summary>
internal sealed class WebDatasetShard
{
    private const string Magic = "clipmoe tar index 1";

    private static readonly HashSet<string> ImageExtensions =
        new(StringComparer.OrdinalIgnoreCase) { "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff" };

    private WebDatasetShard(PackedStrings keys, List<ShardSample> samples) => (Keys, Samples) = (keys, samples);

    public PackedStrings Keys { get; }
    public IReadOnlyList<ShardSample> Samples { get; }

    /// <param name="cacheFolder">Where the index is kept between runs; null: nowhere.</param>
    /// <exception cref="UserErrorException">The tar is truncated or damaged.</exception>
    public static WebDatasetShard Open(string path, string? cacheFolder)
    {
        if (cacheFolder is null)
            return Scan(path);
        var cache = new ShardIndexCache(cacheFolder, path);
        if (cache.Load() is { } known)
            return known;
        var shard = Scan(path);
        cache.Save(shard);
        return shard;
    }

    private static WebDatasetShard Scan(string file)
    {
        var keys = new PackedStrings();
        var samples = new List<ShardSample>();
        var latest = new Dictionary<string, int>(StringComparer.Ordinal);
        using var tar = new TarEntries(file);
        foreach (var member in tar.Read())
        {
            var path = member.Name.StartsWith("./", StringComparison.Ordinal) ? member.Name[2..] : member.Name;
            var fileName = path.LastIndexOf('/') + 1;
            var dot = path.IndexOf('.', fileName);
            var extension = path[(dot + 1)..];
            var isCaption = extension == "txt";
            if (dot <= fileName || (!isCaption && !ImageExtensions.Contains(extension)))
                continue;
            var key = path[..dot];
            if (!latest.TryGetValue(key, out var index) || samples[index].Has(isCaption))
            {
                latest[key] = index = keys.Add(key);
                samples.Add(ShardSample.Empty);
            }

            samples[index] = samples[index].With(member, isCaption);
        }

        return new WebDatasetShard(keys, samples);
    }

    /// <summary>
    /// The index of one tar in a file of its own, valid as long as the tar's size and time stamp are the same. A damaged one is rebuilt.
    /// </summary>
    private sealed class ShardIndexCache(string folder, string tar)
    {
        private readonly string _file = Path.Join(folder, $"{Path.GetFileName(tar)}.{HashOf(Path.GetFullPath(tar)):x16}.index");

        public WebDatasetShard? Load()
        {
            if (!File.Exists(_file))
                return null;
            var bytes = File.ReadAllBytes(_file);
            if (bytes.Length < sizeof(ulong) || XxHash64.HashToUInt64(bytes.AsSpan(sizeof(ulong))) != BitConverter.ToUInt64(bytes))
                return null;
            using var reader = new BinaryReader(new MemoryStream(bytes, sizeof(ulong), bytes.Length - sizeof(ulong)));
            var info = new FileInfo(tar);
            if (reader.ReadString() != Magic || reader.ReadInt64() != info.Length || reader.ReadInt64() != info.LastWriteTimeUtc.Ticks)
                return null;
            var keys = new PackedStrings();
            var samples = new List<ShardSample>();
            for (var left = reader.ReadInt32(); left > 0; left--)
            {
                keys.Add(reader.ReadString());
                samples.Add(new ShardSample(reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64()));
            }

            return new WebDatasetShard(keys, samples);
        }

        private static ulong HashOf(string path) => XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(path));

        public void Save(WebDatasetShard shard)
        {
            using var stream = new MemoryStream();
            using var writer = new BinaryWriter(stream);
            var info = new FileInfo(tar);
            writer.Write(0UL);
            writer.Write(Magic);
            writer.Write(info.Length);
            writer.Write(info.LastWriteTimeUtc.Ticks);
            writer.Write(shard.Samples.Count);
            for (var i = 0; i < shard.Samples.Count; i++)
            {
                writer.Write(shard.Keys[i]);
                var sample = shard.Samples[i];
                writer.Write(sample.ImageStart);
                writer.Write(sample.ImageLength);
                writer.Write(sample.CaptionStart);
                writer.Write(sample.CaptionLength);
            }

            var bytes = stream.ToArray();
            BitConverter.TryWriteBytes(bytes, XxHash64.HashToUInt64(bytes.AsSpan(sizeof(ulong))));
            AtomicFile.WriteAllBytes(_file, bytes);
        }
    }
}
