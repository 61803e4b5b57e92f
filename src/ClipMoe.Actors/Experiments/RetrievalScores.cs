using System.Text.Json.Serialization;

namespace ClipMoe.Actors.Experiments;

/// <summary>Recall at 1, 5 and 10, in percent: of images finding their texts, and of texts finding their image.</summary>
/// <param name="Protocol">Which texts count as whose, and how large the gallery is.</param>
public sealed record RetrievalScores(
    string Model, string Split, string Protocol, int Images, int Texts,
    double I2tR1, double I2tR5, double I2tR10, double T2iR1, double T2iR5, double T2iR10)
{
    /// <summary>R@1, mean of both directions.</summary>
    [JsonIgnore]
    public double MeanR1 => (I2tR1 + T2iR1) / 2;
}
