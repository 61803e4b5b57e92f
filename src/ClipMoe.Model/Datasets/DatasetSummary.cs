using System.IO.Hashing;
using System.Runtime.InteropServices;
using ClipMoe.Model.Images;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// Smallest, middle (lower median), 95th percentile and largest of some numbers, and their mean; all 0 when there are none.
/// </summary>
public sealed record Distribution(int Min, int Median, int P95, int Max, double Mean)
{
    public static Distribution FromValues(IEnumerable<int> values)
    {
        int[] sorted = [.. values.Order()];
        return sorted.Length == 0
            ? new Distribution(0, 0, 0, 0, 0)
            : new Distribution(sorted[0], At(0.5), At(0.95), sorted[^1], sorted.Average());

        int At(double fraction) => sorted[(int)Math.Ceiling(fraction * sorted.Length) - 1];
    }
}

/// <summary>Number of captions with <paramref name="From"/> to <paramref name="To"/> words.</summary>
public sealed record LengthBin(int From, int To, int Captions);

/// <summary>Samples that share a reason for being bad.</summary>
public sealed record BadReason(string Reason, int Samples);

/// <summary>Samples of a split that the data itself gives.</summary>
public sealed record GivenSplitSize(SampleSplit Split, int Samples);

/// <summary>What <c>clipmoe inspect</c> shows of a data set. Sizes and lengths are of the usable samples.</summary>
public sealed record DatasetSummary(
    string Path,
    DatasetFormat Format,
    string Fingerprint,
    int Samples,
    int Usable,
    long ImageBytes,
    Distribution Width,
    Distribution Height,
    Distribution CaptionWords,
    Distribution CaptionCharacters,
    int DistinctCaptions,
    IReadOnlyList<LengthBin> CaptionWordBins,
    IReadOnlyList<GivenSplitSize> Splits,
    IReadOnlyList<BadReason> BadReasons,
    IReadOnlyList<BadSample> BadSamples)
{
    private static readonly char[] Whitespace = [' ', '\t', '\r', '\n'];

    /// <summary>Reads and decodes the whole data set.</summary>
    public static DatasetSummary Create(ICaptionedImages data, ImageCheck check, CancellationToken cancellation)
    {
        var samples = new (int Width, int Height, int Bytes, int Words, int Characters, ulong CaptionHash)[data.Count];
        var scan = DatasetScan.Run(
            data,
            check,
            cancellation,
            sample =>
            {
                var size = ImageDecoder.Inspect(sample.File);
                var caption = sample.Caption.Long;
                var words = caption.Split(Whitespace, StringSplitOptions.RemoveEmptyEntries).Length;
                var hash = XxHash3.HashToUInt64(MemoryMarshal.AsBytes(caption.AsSpan()));
                samples[sample.Index] = (size.Width, size.Height, sample.File.Length, words, caption.Length, hash);
            });
        var usable = scan.Usable().Select(i => samples[i]).ToList();
        return new DatasetSummary(
            data.Name,
            data.Format,
            data.Fingerprint,
            data.Count,
            usable.Count,
            usable.Sum(s => (long)s.Bytes),
            Distribution.FromValues(usable.Select(s => s.Width)),
            Distribution.FromValues(usable.Select(s => s.Height)),
            Distribution.FromValues(usable.Select(s => s.Words)),
            Distribution.FromValues(usable.Select(s => s.Characters)),
            usable.Select(s => s.CaptionHash).Distinct().Count(),
            Bins(usable.Select(s => s.Words)),
            [.. Enumerable.Range(0, data.Count).Select(data.GivenSplit).OfType<SampleSplit>().CountBy(s => s)
                .OrderBy(s => s.Key).Select(s => new GivenSplitSize(s.Key, s.Value))],
            [.. scan.Bad.CountBy(b => b.Reason).OrderByDescending(r => r.Value).ThenBy(r => r.Key, StringComparer.Ordinal)
                .Select(r => new BadReason(r.Key, r.Value))],
            scan.Bad);
    }

    /// <summary>1, 2 to 3, 4 to 7, 8 to 15, … words, up to the longest caption.</summary>
    private static LengthBin[] Bins(IEnumerable<int> words)
    {
        var counts = words.CountBy(w => Math.ILogB(Math.Max(1, w))).ToDictionary();
        return counts.Count == 0
            ? []
            : [.. Enumerable.Range(0, counts.Keys.Max() + 1).Select(b => new LengthBin(1 << b, (2 << b) - 1, counts.GetValueOrDefault(b)))];
    }
}
