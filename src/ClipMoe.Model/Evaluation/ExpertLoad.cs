using System.Text.Json.Serialization;

namespace ClipMoe.Model.Evaluation;

/// <param name="Layer">Number of the MoE layer, from 0.</param>
/// <param name="Fractions">[experts] share of the router's choices that went to each expert; their sum is 1.</param>
/// <param name="Entropy">Of the fractions, divided by ln(experts): 1 is a perfect balance, 0 all to one expert.</param>
public sealed record LayerLoad(
    [property: JsonPropertyName("layer")] int Layer,
    [property: JsonPropertyName("fractions")] IReadOnlyList<double> Fractions,
    [property: JsonPropertyName("entropy")] double Entropy);

/// <summary>
/// How the experts of one tower share the work, layer by layer: the reference's balance loss pools layers, where opposite imbalances cancel.
/// </summary>
public sealed record ExpertLoad(
    [property: JsonPropertyName("tower")] string Tower,
    [property: JsonPropertyName("layers")] IReadOnlyList<LayerLoad> Layers)
{
    /// <param name="tower"><c>image</c> or <c>text</c>.</param>
    /// <param name="choices">[layers][experts] how many times each expert was among a token's top k.</param>
    public static ExpertLoad Of(string tower, IReadOnlyList<IReadOnlyList<long>> choices) =>
        new(tower, [.. choices.Select((counts, layer) => LoadOf(layer, counts))]);

    private static LayerLoad LoadOf(int layer, IReadOnlyList<long> counts)
    {
        var total = counts.Sum();
        if (total == 0) throw new ArgumentException($"no token went through MoE layer {layer}");
        var fractions = counts.Select(c => c / (double)total).ToList();
        var entropy = -fractions.Where(f => f > 0).Sum(f => f * Math.Log(f));
        return new LayerLoad(layer, fractions, counts.Count == 1 ? 1 : entropy / Math.Log(counts.Count));
    }
}
