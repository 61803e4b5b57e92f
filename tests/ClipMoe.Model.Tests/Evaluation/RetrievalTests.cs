using System.Text.Json;
using ClipMoe.Model.Evaluation;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Tests.Evaluation;

public sealed class RetrievalTests
{
    [Theory]
    [InlineData(1, 1, 3)]
    [InlineData(71, 1, 8)]
    [InlineData(150, 5, 20)]
    public void Ranks_are_those_of_brute_force(int images, int captionsPerImage, int dimension)
    {
        var imageOfCaption = Enumerable.Range(0, images * captionsPerImage).Select(c => c * 7 % images).ToArray();
        var (image, caption) = (Noise(1, images, dimension), Noise(2, imageOfCaption.Length, dimension));
        var ranks = Retrieval.Rank(image, caption, imageOfCaption, threads: 3);
        for (var i = 0; i < images; i++)
        {
            var best = Enumerable.Range(0, caption.Count).Where(c => imageOfCaption[c] == i).Max(c => Cosine(image[i], caption[c]));
            var before = Enumerable.Range(0, caption.Count).Count(c => imageOfCaption[c] != i && Cosine(image[i], caption[c]) >= best);
            Assert.Equal(before, ranks.OfImages[i]);
        }

        for (var c = 0; c < caption.Count; c++)
        {
            var own = Cosine(image[imageOfCaption[c]], caption[c]);
            Assert.Equal(Enumerable.Range(0, images).Count(i => i != imageOfCaption[c] && Cosine(image[i], caption[c]) >= own),
                ranks.OfCaptions[c]);
        }
    }

    [Fact]
    public void Recall_counts_ranks_below_k_both_ways()
    {
        var result = RetrievalResult.FromRanks(new RetrievalRanks(OfImages: [0, 1, 4, 5], OfCaptions: [0, 0, 9, 10]), Protocol);
        Assert.Equal((0.25, 0.75, 1.0), (result.ImageToTextAt1, result.ImageToTextAt5, result.ImageToTextAt10));
        Assert.Equal((0.5, 0.5, 0.75), (result.TextToImageAt1, result.TextToImageAt5, result.TextToImageAt10));
        Assert.Equal(0.375, result.MeanAt1);
    }

    [Fact]
    public void A_collapsed_model_finds_nothing()
    {
        const int images = 600, dimension = 9;
        var same = new Features(Enumerable.Range(0, images).SelectMany(_ => Noise(1, 1, dimension).Values.ToArray()).ToArray(), dimension);
        var ranks = Retrieval.Rank(same, same, [.. Enumerable.Range(0, images)], threads: 2);
        Assert.All(ranks.OfImages.Concat(ranks.OfCaptions), r => Assert.Equal(images - 1, r));
        var zeros = new Features(new float[images * dimension], dimension);
        Assert.All(Retrieval.Rank(zeros, zeros, [.. Enumerable.Range(0, images)], threads: 2).OfImages, r => Assert.Equal(images - 1, r));
    }

    [Fact]
    public void A_perfect_model_finds_everything_whatever_the_lengths()
    {
        var image = Noise(1, 300, 16);
        var scaled = image.Values.ToArray().Select((v, i) => v * (1 + i / 16 % 5)).ToArray();
        var ranks = Retrieval.Rank(image, new Features(scaled, 16), [.. Enumerable.Range(0, 300)], threads: 2);
        Assert.All(ranks.OfImages.Concat(ranks.OfCaptions), r => Assert.Equal(0, r));
    }

    [Fact]
    public void Wrong_galleries_are_named()
    {
        var two = Noise(1, 2, 4);
        Assert.Contains("no caption", Assert.Throws<UserErrorException>(() => Retrieval.Rank(two, two, [0, 0], threads: 1)).Message);
        Assert.Contains("image 2", Assert.Throws<UserErrorException>(() => Retrieval.Rank(two, two, [0, 2], threads: 1)).Message);
        var none = new Features(Array.Empty<float>(), 4);
        Assert.Contains("to rank", Assert.Throws<UserErrorException>(() => Retrieval.Rank(none, none, [], threads: 1)).Message);
        var bad = new Features(new[] { 1, 2, 3, 4, 5, 6, 7, float.NaN }, 4);
        Assert.Contains("image 1", Assert.Throws<UserErrorException>(() => Retrieval.Rank(bad, two, [0, 1], threads: 1)).Message);
        Assert.Contains("caption 1", Assert.Throws<UserErrorException>(() => Retrieval.Rank(two, bad, [0, 1], threads: 1)).Message);
    }

    [Fact]
    public void The_nearest_of_a_gallery_come_in_order()
    {
        var gallery = new Features(new float[] { 1, 0, 0, 2, 3, 3, 5, 0, -1, 0 }, 2);
        Assert.Equal([0, 3, 2], Retrieval.Nearest(new float[] { 2, 0.5f }, gallery, k: 3).Select(n => n.Index));
        Assert.Equal(5, Retrieval.Nearest(new float[] { 0, 0 }, gallery, k: 9).Count);
    }

    [Fact]
    public void A_result_carries_its_protocol_into_json()
    {
        var json = JsonSerializer.SerializeToElement(RetrievalResult.FromRanks(new RetrievalRanks([0], [0, 3]), Protocol));
        Assert.Equal(1, json.GetProperty("i2t_r1").GetDouble());
        Assert.Equal(0.5, json.GetProperty("t2i_r1").GetDouble());
        var protocol = json.GetProperty("protocol");
        Assert.Equal("scenes test 2 4 1 3 against", string.Join(" ", protocol.EnumerateObject().Select(p => p.Value)));
    }

    private static RetrievalProtocol Protocol => RetrievalProtocol.Create("scenes", "test", images: 2, imageOfCaption: [0, 1, 1, 1]);

    private static Features Noise(int key, int rows, int dimension) =>
        new(Enumerable.Range(0, rows * dimension).Select(i => (float)RandomKey.FromSeed(9).Derive(key).Unit(i) - 0.5f).ToArray(),
            dimension);

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var (ab, aa, bb) = (0.0, 0.0, 0.0);
        for (var d = 0; d < a.Length; d++) (ab, aa, bb) = (ab + (double)a[d] * b[d], aa + (double)a[d] * a[d], bb + (double)b[d] * b[d]);
        return ab / Math.Sqrt(aa * bb);
    }
}
