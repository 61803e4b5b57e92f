using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using TorchSharp;

namespace ClipMoe.Model.Verification;

/// <summary>How far a recomputed tensor is from the stored one.</summary>
/// <param name="Name">Name of the tensor in the file.</param>
/// <param name="Largest">Largest absolute difference; infinite when a value is no number.</param>
public sealed record Difference(string Name, double Largest);

/// <summary>What <see cref="FeatureVerification"/> found.</summary>
/// <param name="TriedTopK">
/// Where the checkpoint does not say how many experts a token takes and the usual number does not fit: the one that does, which the
/// differences are of. Null otherwise.
/// </param>
public sealed record VerificationResult(IReadOnlyList<Difference> Differences, int? TriedTopK = null);

/// <summary>Recomputes, in fp32, what another implementation stored for the same checkpoint and inputs.</summary>
public static class FeatureVerification
{
    private const string Images = "images", Tokens = "tokens";
    private const string ImageFeatures = "image_features", TextFeatures = "text_features";
    private const string ImageLogits = "image_router_logits", TextLogits = "text_router_logits";

    /// <param name="checkpoint">
    /// Loaded as the reference does: rounded to fp16, its text positions stretched when the tokens need it. Fewer tokens are padded with
    /// zeros.
    /// </param>
    /// <param name="stored">
    /// Holds <c>image_features</c> and <c>text_features</c> [n, C], not normalized, and for a CLIP-MoE <c>image_router_logits</c> and
    /// <c>text_router_logits</c> [MoE blocks, positions·n, experts], position-major; at least one of them.
    /// </param>
    /// <param name="inputs">Holds <c>images</c> [n, 3, R, R], normalized, and <c>tokens</c> [n, context].</param>
    /// <param name="tolerance">Largest absolute difference that fits; decides only whether other numbers of experts per token are
    /// tried.</param>
    /// <param name="topK">Experts per token, where the checkpoint does not say.</param>
    /// <exception cref="UserErrorException">A file is none of these, or shapes do not fit.</exception>
    public static VerificationResult Run(
        ITensorFile checkpoint, ITensorFile stored, ITensorFile inputs, torch.Device device, double tolerance, int? topK = null)
    {
        var config = CheckpointConfig.Infer(checkpoint, topK);
        var needsStretch = inputs.TryGet(Tokens, out var tokens) && tokens.Shape is [_, var length] && length > config.ContextLength;
        if (needsStretch) config = CheckpointSource.Stretched(config);
        var differences = Compare(checkpoint, config, stored, inputs, device);
        if (config.Moe is not { } moe || topK is not null || CheckpointConfig.SaysTopK(checkpoint) || Fits(differences))
            return new VerificationResult(differences);
        foreach (var k in Enumerable.Range(1, moe.Experts).Where(k => k != moe.TopK))
        {
            var others = Compare(checkpoint, config with { Moe = moe with { TopK = k } }, stored, inputs, device);
            if (Fits(others)) return new VerificationResult(others, k);
        }

        return new VerificationResult(differences);

        bool Fits(IReadOnlyList<Difference> found) => found.All(d => d.Largest <= tolerance);
    }

    private static List<Difference> Compare(ITensorFile checkpoint, ClipConfig config, ITensorFile stored, ITensorFile inputs,
        torch.Device device)
    {
        using var replica = new Replica(ParameterLayout.Create(config, TrainableParameters.None), device, Precision.Fp32);
        replica.Load(new CheckpointSource(checkpoint, config, roundToHalf: true));
        var encoder = new Encoder(replica, normalize: false);
        var differences = new List<Difference>();
        if (Asked(ImageFeatures, ImageLogits))
        {
            var rows = Rows(inputs, Images, [3, config.ImageResolution, config.ImageResolution]);
            var pixels = PixelBatch.FromStandardized(inputs.ReadFloats(Images));
            Add(ImageFeatures, () => encoder.EncodeImages(pixels, rows).Features);
            Add(ImageLogits, () => encoder.ImageRouterLogits(pixels, rows));
        }

        if (Asked(TextFeatures, TextLogits))
        {
            var ids = PaddedTokens(inputs, config);
            var rows = ids.Length / config.ContextLength;
            Add(TextFeatures, () => encoder.EncodeTexts(ids, rows).Features);
            Add(TextLogits, () => encoder.TextRouterLogits(ids, rows));
        }

        return differences.Count > 0 ? differences
            : throw new UserErrorException($"{stored.Path} holds none of {ImageFeatures}, {TextFeatures}, {ImageLogits} and {TextLogits}.");

        bool Asked(params ReadOnlySpan<string> names)
        {
            foreach (var name in names) if (stored.TryGet(name, out _)) return true;
            return false;
        }

        void Add(string name, Func<float[]> compute)
        {
            if (!stored.TryGet(name, out _)) return;
            if (name is ImageLogits or TextLogits && config.Moe is null)
                throw new UserErrorException($"{stored.Path} holds {name}, but {checkpoint.Path} has no routers.");
            var (expected, actual) = (stored.ReadFloats(name), compute());
            if (expected.Length != actual.Length)
                throw new UserErrorException($"{name} in {stored.Path} has {expected.Length} values, but this model gives " +
                    $"{actual.Length}.");
            differences.Add(new Difference(name, Largest(expected, actual)));
        }
    }

    /// <summary>[n, context]: the tokens of the file, with zeros behind them where it has fewer.</summary>
    private static int[] PaddedTokens(ITensorFile inputs, ClipConfig config)
    {
        var found = inputs.Get(Tokens);
        if (found.Shape is not [> 0 and < int.MaxValue, > 0] || found.Shape[1] > config.ContextLength)
        {
            throw new UserErrorException(
                $"{Tokens} in {inputs.Path} has the shape {found.ShapeText}, but this model needs [n, up to {config.ContextLength}].");
        }

        var (rows, length) = ((int)found.Shape[0], (int)found.Shape[1]);
        var padded = new int[rows * config.ContextLength];
        var ids = inputs.ReadIntegers(Tokens);
        for (var i = 0; i < ids.Length; i++) padded[i / length * config.ContextLength + i % length] = Id(ids[i]);
        return padded;

        int Id(long id) => id >= 0 && id < config.VocabularySize ? (int)id
            : throw new UserErrorException(
            $"{Tokens} in {inputs.Path} holds {id}, but the vocabulary has {config.VocabularySize} entries.");
    }

    private static int Rows(ITensorFile file, string name, ReadOnlySpan<int> shape)
    {
        var found = file.Get(name);
        var fits = found.Shape.Count == shape.Length + 1 && found.Shape[0] is > 0 and < int.MaxValue;
        for (var i = 0; fits && i < shape.Length; i++) fits = found.Shape[i + 1] == shape[i];
        var needed = string.Join(", ", shape.ToArray());
        return fits ? (int)found.Shape[0]
            : throw new UserErrorException($"{name} in {file.Path} has the shape {found.ShapeText}, but this model needs [n, {needed}].");
    }

    private static double Largest(float[] expected, float[] actual)
    {
        var largest = 0.0;
        for (var i = 0; i < expected.Length; i++)
        {
            var difference = Math.Abs((double)expected[i] - actual[i]);
            largest = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(largest, difference);
        }

        return largest;
    }
}
