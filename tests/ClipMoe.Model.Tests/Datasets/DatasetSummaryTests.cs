using ClipMoe.Model.Datasets;
using ClipMoe.Model.Datasets.Scenes;
using ClipMoe.Model.Images;

namespace ClipMoe.Model.Tests.Datasets;

/// <summary>Real files through the real decoder.</summary>
public sealed class DatasetSummaryTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Sizes_lengths_splits_and_bad_samples_are_counted()
    {
        SceneBenchmark.Make(_folder.Root, new SceneSettings(Train: 30, Validation: 4, Test: 6), CancellationToken.None);
        _folder.Write("train/000003.png", "no image");
        _folder.Write("train/000004.png", File.ReadAllBytes(_folder.At("train/000004.png"))[..2000]);
        File.Delete(_folder.At("val/000001.txt"));
        _folder.Write("test/000002.txt", "two words");
        _folder.Write("test/000003.txt", "two words");
        using var data = DatasetReader.Open(_folder.Root);

        var summary = DatasetSummary.Create(data, SampleImages.Check(new ImagePreprocessor(16, ConversionOrder.RgbFirst)),
            CancellationToken.None);

        Assert.Equal((40, 37), (summary.Samples, summary.Usable));
        Assert.Equal(["train/000003.png", "train/000004.png", "val/000001.png"], summary.BadSamples.Select(b => b.Key));
        Assert.Equal(3, summary.BadReasons.Count);
        Assert.Contains("missing caption file", summary.BadReasons.Select(r => r.Reason));
        Assert.Equal([new(SampleSplit.Train, 30), new(SampleSplit.Validation, 4), new GivenSplitSize(SampleSplit.Test, 6)], summary.Splits);
        Assert.Equal(new Distribution(32, 32, 32, 32, 32), summary.Width);
        Assert.Equal(new Distribution(32, 32, 32, 32, 32), summary.Height);
        Assert.Equal((2, 18), (summary.CaptionWords.Min, summary.CaptionWords.Median));
        Assert.Equal(36, summary.DistinctCaptions);
        Assert.Equal([new(1, 1, 0), new(2, 3, 2), new(4, 7, 0), new(8, 15, 0), new LengthBin(16, 31, 35)], summary.CaptionWordBins);
        Assert.Equal(37 * 3172L, summary.ImageBytes);
    }

    [Fact]
    public void A_data_set_of_nothing_but_bad_samples_has_a_summary()
    {
        _folder.Write("a.png", "no image");
        using var data = DatasetReader.Open(_folder.Root);
        var summary = DatasetSummary.Create(data, SampleImages.Check(new ImagePreprocessor(16, ConversionOrder.RgbFirst)),
            CancellationToken.None);
        Assert.Equal((1, 0), (summary.Samples, summary.Usable));
        Assert.Empty(summary.CaptionWordBins);
    }

    [Fact]
    public void The_loader_gives_what_the_preprocessor_gives()
    {
        SceneBenchmark.Make(_folder.Root, new SceneSettings(Train: 12, Validation: 0, Test: 0), CancellationToken.None);
        using var data = DatasetReader.Open(_folder.Root);
        var preprocessor = new ImagePreprocessor(24, ConversionOrder.RgbFirst);
        using var loader = new BatchLoader(data, 24, SampleImages.Preparation(preprocessor), new LoaderLimits());
        int[] order = [7, 3, 3, 11];
        var batch = loader.Get(order, CancellationToken.None);
        var expected = new byte[preprocessor.ResultLength];
        for (var i = 0; i < order.Length; i++)
        {
            preprocessor.Process(data.ReadImage(order[i]), expected);
            Assert.Equal(expected, batch.Images.AsSpan(i * expected.Length, expected.Length).ToArray());
        }
    }

    [Theory]
    [InlineData(new[] { 5 }, 5, 5, 5, 5), InlineData(new[] { 3, 1, 2, 4 }, 1, 2, 4, 4), InlineData(new int[0], 0, 0, 0, 0)]
    public void A_distribution_is_of_the_sorted_numbers(int[] values, int min, int median, int p95, int max)
    {
        var distribution = Distribution.FromValues(values);
        Assert.Equal((min, median, p95, max), (distribution.Min, distribution.Median, distribution.P95, distribution.Max));
    }
}
