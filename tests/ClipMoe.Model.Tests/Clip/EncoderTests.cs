using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tests.Training;

namespace ClipMoe.Model.Tests.Clip;

[Collection(TorchCollection.Name)]
public sealed class EncoderTests
{
    [Fact]
    public void Features_are_of_unit_length_unless_asked_otherwise_and_bytes_equal_their_normalized_values()
    {
        var config = Models.Small;
        using var replica = Models.Seeded(config, TrainableParameters.None);
        var bytes = new byte[2 * 3 * config.ImageResolution * config.ImageResolution];
        new Random(1).NextBytes(bytes);
        float[] mean = [0.48145466f, 0.4578275f, 0.40821073f], deviation = [0.26862954f, 0.26130258f, 0.27577711f];
        var channel = config.ImageResolution * config.ImageResolution;
        float[] normalized = [.. bytes.Select((level, i) => (level / 255f - mean[i / channel % 3]) / deviation[i / channel % 3])];

        var unit = new Encoder(replica).EncodeImages(bytes, 2).Features;
        var raw = new Encoder(replica, normalize: false).EncodeImages(bytes, 2).Features;

        Assert.Equal(raw, new Encoder(replica, normalize: false).EncodeImages(PixelBatch.FromStandardized(normalized), 2).Features);
        foreach (var row in unit.Chunk(config.EmbedDim)) Close.Within(1e-6, 1, Math.Sqrt(row.Sum(v => (double)v * v)), "length");
        Close.Within(1e-6, unit, [.. raw.Chunk(config.EmbedDim)
            .SelectMany(row => row.Select(v => v / (float)Math.Sqrt(row.Sum(x => (double)x * x))))], "features");
    }

    [Fact]
    public void Router_loads_count_every_image_token_and_every_text_token_up_to_its_end()
    {
        var config = Models.SmallMoe;
        using var replica = Models.Seeded(config, TrainableParameters.None);
        var encoder = new Encoder(replica);
        var tokens = Samples.Tokens(config, 3, new Random(1));
        var valid = TokenBatch.Create(3, tokens, config.ContextLength).Ends.Sum(end => end + 1);

        var image = encoder.EncodeImages(new byte[3 * 3 * config.ImageResolution * config.ImageResolution], 3).Load!;
        var text = encoder.EncodeTexts(tokens, 3).Load!;

        Assert.Equal((2, 4, 3L * config.VisionPositions), (image.Layers, image.Experts, image.Tokens));
        Assert.Equal((2, 4, valid), (text.Layers, text.Experts, text.Tokens));
        Assert.All(image.Counts.Chunk(4), layer => Assert.Equal(2 * image.Tokens, layer.Sum()));
        Assert.All(text.Counts.Chunk(4), layer => Assert.Equal(2 * text.Tokens, layer.Sum()));
    }

    [Fact]
    public void Bf16_is_close_to_fp32()
    {
        var config = Models.SmallMoe;
        using var exact = Models.Seeded(config, TrainableParameters.None);
        using var rounded = Models.Seeded(config, TrainableParameters.None, precision: Precision.Bf16);
        var images = new byte[4 * 3 * config.ImageResolution * config.ImageResolution];
        new Random(2).NextBytes(images);

        var (expected, actual) = (new Encoder(exact).EncodeImages(images, 4).Features, new Encoder(rounded).EncodeImages(images,
            4).Features);

        foreach (var (a, b) in expected.Chunk(config.EmbedDim).Zip(actual.Chunk(config.EmbedDim)))
            Assert.True(a.Zip(b, (x, y) => x * y).Sum() > 0.998f);
        Assert.NotEqual(expected, actual);
    }
}
