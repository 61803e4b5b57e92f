using System.Text.Json;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Checkpoints;

/// <summary>
/// What the reference does to a checkpoint while it loads it: sizes from shapes, rounding to fp16, stretch of the positions.
/// </summary>
[Trait("Category", "Parity")]
public sealed class ReferenceLoadingTests
{
    private const string Dense = "dense_openai_fp16.pt", DenseIo = "dense_io.safetensors";

    [FixtureFact(Dense, DenseIo)]
    public void The_stretched_positions_are_those_of_the_reference_bit_for_bit()
    {
        using var file = TensorFile.Open(Fixtures.Path(Dense));
        using var io = TensorFile.Open(Fixtures.Path(DenseIo));
        var length = (int)file.Get("positional_embedding").Shape[0];
        var stretched = PositionalStretch.Apply(file.ReadFloats("positional_embedding"), length);
        Assert.Equal(io.Get("positional_embedding").Shape[0], PositionalStretch.StretchedLength(length));
        Assert.Equal(io.ReadFloats("positional_embedding"), stretched);
        Assert.Equal(io.ReadFloats("positional_embedding_res"), stretched);
    }

    [FixtureFact(Dense)]
    public void Exactly_the_tensors_that_OpenAI_stores_in_fp16_are_rounded()
    {
        using var file = TensorFile.Open(Fixtures.Path(Dense));
        Assert.All(file.Tensors, t => Assert.Equal(t.Type == TensorType.F16, HalfRounding.Applies(t.Name)));
    }

    public static TheoryData<string> MoeCases() => [.. Fixtures.MoeCases().Select(c => c.Name)];

    [FixtureTheory(MoeCase.ConfigFile, "moe_dense_0.pt")]
    [MemberData(nameof(MoeCases))]
    public void The_reference_rounded_exactly_those_tensors_of_its_MoE(string name)
    {
        using var moe = TensorFile.Open(Fixtures.Path($"{name}.pt"));
        var files = Fixtures.DenseCheckpoints().Select(TensorFile.Open).ToList();
        foreach (var tensor in moe.Tensors)
        {
            var values = moe.ReadFloats(tensor.Name);
            var rounded = values.ToArray();
            TensorConversion.RoundToHalf(rounded);
            if (HalfRounding.Applies(tensor.Name)) Assert.Equal(rounded, values);
            if (!files[0].TryGet(tensor.Name, out _)) continue;
            // Dense models differ in their FFNs; the mixture has those of the one that it was made from.
            Assert.Contains(files, dense =>
            {
                var source = dense.ReadFloats(tensor.Name);
                if (HalfRounding.Applies(tensor.Name)) TensorConversion.RoundToHalf(source);
                return source.AsSpan().SequenceEqual(values);
            });
        }

        files.ForEach(f => f.Dispose());
    }

    [FixtureFact(Dense, "dense_config.json")]
    public void The_dense_configuration_is_told_from_the_shapes()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("dense_config.json")));
        using var file = TensorFile.Open(Fixtures.Path(Dense));
        Assert.Equal(Config(json.RootElement.GetProperty("config")), CheckpointConfig.Infer(file));
    }

    [FixtureFact(MoeCase.ConfigFile, "moe_dense_0.pt")]
    public void The_MoE_configurations_are_told_from_the_shapes()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.Path(MoeCase.ConfigFile)));
        var dense = Config(json.RootElement.GetProperty("config")) with { StretchedPositions = true };
        foreach (var path in Fixtures.DenseCheckpoints())
        {
            using var file = TensorFile.Open(path);
            Assert.Equal(dense, CheckpointConfig.Infer(file));
        }

        foreach (var known in Fixtures.MoeCases())
        {
            using var file = TensorFile.Open(known.Checkpoint);
            var moe = new MoeConfig(known.Experts, known.TopK, Number(known.Expected, "moe_layers_arg"));
            Assert.Equal(dense with { Moe = moe }, CheckpointConfig.Infer(file, moe.TopK));
        }
    }

    private static ClipConfig Config(JsonElement json) => new()
    {
        EmbedDim = Number(json, "embed_dim"),
        ImageResolution = Number(json, "image_resolution"),
        PatchSize = Number(json, "vision_patch_size"),
        Vision = new TowerConfig(Number(json, "vision_width"), Number(json, "vision_layers"), Number(json, "vision_width") / 64),
        Text = new TowerConfig(Number(json, "transformer_width"), Number(json, "transformer_layers"), Number(json, "transformer_heads")),
        ContextLength = Number(json, "context_length"),
        VocabularySize = Number(json, "vocab_size"),
    };

    private static int Number(JsonElement json, string name) => json.GetProperty(name).GetInt32();
}
