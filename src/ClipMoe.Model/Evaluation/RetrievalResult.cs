using System.Text.Json.Serialization;

namespace ClipMoe.Model.Evaluation;

/// <summary>
/// How retrieval was measured; figures of different protocols cannot be compared. Everything but the names follows from the gallery.
/// </summary>
/// <param name="DataSet">Name of the data set.</param>
/// <param name="Split">Which part of it, for instance <c>test</c>, <c>karpathy-test</c>, or <c>val2017</c> as in the reference's
/// script.</param>
/// <param name="Images">Images in the gallery of caption queries.</param>
/// <param name="Captions">Captions in the gallery of image queries.</param>
/// <param name="FewestCaptionsPerImage">Fewest captions of an image.</param>
/// <param name="MostCaptionsPerImage">Most captions of an image; a hit of any one counts.</param>
public sealed record RetrievalProtocol(
    [property: JsonPropertyName("data_set")] string DataSet,
    [property: JsonPropertyName("split")] string Split,
    [property: JsonPropertyName("images")] int Images,
    [property: JsonPropertyName("captions")] int Captions,
    [property: JsonPropertyName("fewest_captions_per_image")] int FewestCaptionsPerImage,
    [property: JsonPropertyName("most_captions_per_image")] int MostCaptionsPerImage)
{
    /// <summary>Equal scores rank before the right answer.</summary>
    [JsonPropertyName("ties")]
    public string Ties => "against";

    public static RetrievalProtocol Create(string dataSet, string split, int images, IReadOnlyList<int> imageOfCaption)
    {
        var perImage = new int[images];
        foreach (var image in imageOfCaption) perImage[image]++;
        return new RetrievalProtocol(dataSet, split, images, imageOfCaption.Count, perImage.Min(), perImage.Max());
    }
}

/// <summary>
/// Recall at 1, 5 and 10: the fraction of queries whose right answer is among the first so many, image to text (i2t) and back.
/// </summary>
public sealed record RetrievalResult(
    [property: JsonPropertyName("protocol")] RetrievalProtocol Protocol,
    [property: JsonPropertyName("i2t_r1")] double ImageToTextAt1,
    [property: JsonPropertyName("i2t_r5")] double ImageToTextAt5,
    [property: JsonPropertyName("i2t_r10")] double ImageToTextAt10,
    [property: JsonPropertyName("t2i_r1")] double TextToImageAt1,
    [property: JsonPropertyName("t2i_r5")] double TextToImageAt5,
    [property: JsonPropertyName("t2i_r10")] double TextToImageAt10)
{
    /// <summary>Mean of both directions at 1.</summary>
    [JsonPropertyName("mean_r1")]
    public double MeanAt1 => (ImageToTextAt1 + TextToImageAt1) / 2;

    public static RetrievalResult FromRanks(RetrievalRanks ranks, RetrievalProtocol protocol) => new(
        protocol,
        Recall(ranks.OfImages, 1), Recall(ranks.OfImages, 5), Recall(ranks.OfImages, 10),
        Recall(ranks.OfCaptions, 1), Recall(ranks.OfCaptions, 5), Recall(ranks.OfCaptions, 10));

    private static double Recall(int[] ranks, int k) => ranks.Count(r => r < k) / (double)ranks.Length;
}
