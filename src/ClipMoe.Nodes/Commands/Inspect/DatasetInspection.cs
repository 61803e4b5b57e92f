using System.Text.Json;
using System.Text.Json.Serialization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Images;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Nodes.Commands.Inspect;

/// <summary>Describes a data set: counts, image sizes, caption lengths, bad samples. Decodes every image.</summary>
internal static class DatasetInspection
{
    private const int ShownBadSamples = 20, BarLength = 40;

    private static readonly double Allowed = new DataSettings().MaxBadFraction;

    private static readonly JsonSerializerOptions JsonOptions = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    public static void Print(ICaptionedImages data, bool json, CancellationToken cancellation)
    {
        var preprocessor = new ImagePreprocessor(224, SampleImages.DefaultConversion(data.Format));
        var summary = DatasetSummary.Create(data, SampleImages.Check(preprocessor), cancellation);
        Console.WriteLine(json ? JsonSerializer.Serialize(summary, JsonOptions) : string.Join(Environment.NewLine, Lines(summary)));
    }

    private static IEnumerable<string> Lines(DatasetSummary s)
    {
        var bad = s.Samples - s.Usable;
        yield return $"{s.Path}: {s.Format} data set, {s.Samples:n0} samples, {s.ImageBytes / 1e6:n1} MB of images";
        yield return Line("usable", $"{s.Usable:n0}; {bad:n0} bad ({(double)bad / s.Samples:p2})");
        yield return Line("split", s.Splits.Count == 0 ? "none given"
            : string.Join(", ", s.Splits.Select(p => $"{Name(p.Split)} {p.Samples:n0}")));
        yield return Line("fingerprint", s.Fingerprint);
        foreach (var line in s.Usable > 0 ? Measures(s) : [])
            yield return line;
        foreach (var reason in s.BadReasons)
            yield return Line("bad", $"{reason.Samples:n0} × {Printable.Clean(reason.Reason)}");
        foreach (var sample in s.BadSamples.Take(ShownBadSamples))
            yield return $"    {Printable.Clean(sample.Key)}: {Printable.Clean(sample.Reason)}";
        if (bad > ShownBadSamples)
            yield return $"    … and {bad - ShownBadSamples:n0} more (--json lists all)";
        if (bad > Allowed * s.Samples)
            yield return $"  A run stops at such data, unless data.max_bad_fraction, {Allowed} unless set, is raised: repair the " +
                $"samples, or take them out.";
    }

    private static IEnumerable<string> Measures(DatasetSummary s)
    {
        yield return Line("width", Numbers(s.Width, "px"));
        yield return Line("height", Numbers(s.Height, "px"));
        yield return Line("captions", $"{s.DistinctCaptions:n0} distinct");
        yield return Line("  words", Numbers(s.CaptionWords, ""));
        yield return Line("  characters", Numbers(s.CaptionCharacters, ""));
        var most = s.CaptionWordBins.Max(b => b.Captions);
        foreach (var bin in s.CaptionWordBins)
        {
            var range = bin.From == bin.To ? $"{bin.From}" : $"{bin.From}–{bin.To}";
            yield return Line($"    {range}",
                $"{bin.Captions,9:n0} {new string('█', (int)Math.Ceiling((double)bin.Captions * BarLength / most))}");
        }
    }

    private static string Name(SampleSplit split) => split.ToString().ToLowerInvariant();

    private static string Numbers(Distribution d, string unit) =>
        $"{d.Min:n0} … {d.Max:n0}{(unit.Length > 0 ? " " : "")}{unit}, median {d.Median:n0}, 95 % up to {d.P95:n0}, mean {d.Mean:n1}";

    private static string Line(string what, string value) => $"  {what,-14}{value}";
}
