using System.Runtime.InteropServices;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Tests.Checkpoints;
using ClipMoe.Model.Tests.Clip;
using ClipMoe.Model.Verification;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tests.Verification;

/// <summary>
/// What <see cref="FeatureVerification"/> makes of files that leave something open: top-k, or fewer tokens than the model has positions.
/// </summary>
[Collection(TorchCollection.Name)]
public sealed class FeatureVerificationTests : IDisposable
{
    private const double Tolerance = 1e-5;
    private const int Rows = 3, Tokens = 22;

    /// <summary>One head per tower, which is what a file without metadata is taken to have.</summary>
    private static readonly ClipConfig Config = Models.SmallMoe with
    {
        Vision = new TowerConfig(16, 2, 1),
        Text = new TowerConfig(24, 3, 1)
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public void Experts_per_token_that_no_file_tells_are_found_by_trying(int topK)
    {
        var result = Verify(topK, metadata: null);
        Assert.Equal(topK, result.TriedTopK);
        Assert.All(result.Differences, d => Assert.InRange(d.Largest, 0, Tolerance));
    }

    [Fact]
    public void Nothing_is_tried_where_the_usual_number_fits_the_file_tells_or_the_caller_does()
    {
        Assert.Null(Verify(2, metadata: null).TriedTopK);
        var told = Verify(3, CheckpointMetadata.Create(Config));
        Assert.Null(told.TriedTopK);
        Assert.Contains(told.Differences, d => d.Largest > Tolerance);
        var asked = Verify(3, metadata: null, asked: 1);
        Assert.Null(asked.TriedTopK);
        Assert.Contains(asked.Differences, d => d.Largest > Tolerance);
    }

    [Fact]
    public void Differences_of_the_usual_number_are_shown_when_none_fits()
    {
        var result = Verify(2, metadata: null, storedError: 1);
        Assert.Null(result.TriedTopK);
        Assert.All(result.Differences.Where(d => d.Name.EndsWith("features")),
            d => Assert.InRange(d.Largest, 1 - Tolerance, 1 + Tolerance));
    }

    /// <param name="topK">Experts per token of the model that the outputs are stored of.</param>
    private VerificationResult Verify(int topK, IReadOnlyDictionary<string, string>? metadata, int? asked = null, float storedError = 0)
    {
        using (var seeded = Models.Seeded(Config, TrainableParameters.None))
        using (var writer = TensorFile.Create(_folder.File("model.safetensors"), ReplicaFiles.Weights(seeded.Layout), metadata))
        {
            ReplicaFiles.WriteWeights(writer, seeded);
            writer.Commit();
        }

        using var model = TensorFile.Open(_folder.File("model.safetensors"));
        using var replica = Models.New(Config with { Moe = Config.Moe! with { TopK = topK } }, TrainableParameters.None);
        replica.Load(new CheckpointSource(model, Config, roundToHalf: true));
        var encoder = new Encoder(replica, normalize: false);
        var random = new Random(1);
        float[] images = [.. Enumerable.Range(0, Rows * 3 * 8 * 8).Select(_ => random.NextSingle() - 0.5f)];
        int[] tokens = [.. Enumerable.Range(0, Rows * Tokens).Select(i => i % Tokens == Tokens - 1 ? 29 : random.Next(1, 28))];
        // Positions behind the tokens are zeros, which is what verification has to put there.
        int[] padded = [.. tokens.Chunk(Tokens).SelectMany(row => row.Concat(new int[Config.ContextLength - Tokens]))];
        var pixels = PixelBatch.FromStandardized(images);
        Save("io.safetensors",
            ("image_features", [Rows, Config.EmbedDim], Shifted(encoder.EncodeImages(pixels, Rows).Features, storedError)),
            ("text_features", [Rows, Config.EmbedDim], Shifted(encoder.EncodeTexts(padded, Rows).Features, storedError)),
            ("text_router_logits", [2, Config.ContextLength * Rows, 4], encoder.TextRouterLogits(padded, Rows)));
        Save("inputs.safetensors", ("images", [Rows, 3, 8, 8], images), ("tokens", [Rows, Tokens], tokens));
        using var io = TensorFile.Open(_folder.File("io.safetensors"));
        using var inputs = TensorFile.Open(_folder.File("inputs.safetensors"));
        return FeatureVerification.Run(model, io, inputs, CPU, Tolerance, asked);
    }

    private static float[] Shifted(float[] values, float by) => [.. values.Select(v => v + by)];

    private static TensorType TypeOf(Array values) => values switch
    {
        int[] => TensorType.I32,
        _ => TensorType.F32,
    };

    private void Save(string file, params (string Name, long[] Shape, Array Values)[] tensors)
    {
        using var writer = TensorFile.Create(
            _folder.File(file), [.. tensors.Select(t => new TensorInfo(t.Name, TypeOf(t.Values), t.Shape))]);
        foreach (var (name, _, values) in tensors)
            writer.Write(name, values is int[] integers ? MemoryMarshal.AsBytes<int>(integers)
                : MemoryMarshal.AsBytes<float>((float[])values));
        writer.Commit();
    }
}
