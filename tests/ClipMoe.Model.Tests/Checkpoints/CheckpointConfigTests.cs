using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Tests.Checkpoints;

public sealed class CheckpointConfigTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The tensors that tell the architecture: 2 image and 3 text blocks, 4 experts in the last 2 of each.</summary>
    private static readonly Dictionary<string, long[]> Shapes = new()
    {
        ["visual.proj"] = [96, 64],
        ["visual.conv1.weight"] = [96, 3, 8, 8],
        ["visual.positional_embedding"] = [17, 96],
        ["visual.transformer.resblocks.0.attn.in_proj_weight"] = [288, 96],
        ["visual.transformer.resblocks.1.attn.in_proj_weight"] = [288, 96],
        ["visual.transformer.resblocks.0.gate.weight"] = [4, 96],
        ["visual.transformer.resblocks.1.gate.weight"] = [4, 96],
        ["ln_final.weight"] = [128],
        ["text_projection"] = [128, 64],
        ["positional_embedding"] = [248, 128],
        ["positional_embedding_res"] = [248, 128],
        ["token_embedding.weight"] = [50, 128],
        ["transformer.resblocks.0.attn.in_proj_weight"] = [384, 128],
        ["transformer.resblocks.1.attn.in_proj_weight"] = [384, 128],
        ["transformer.resblocks.2.attn.in_proj_weight"] = [384, 128],
        ["transformer.resblocks.1.gate.weight"] = [4, 128],
        ["transformer.resblocks.2.gate.weight"] = [4, 128],
    };

    private static readonly ClipConfig Expected = new()
    {
        EmbedDim = 64,
        ImageResolution = 32,
        PatchSize = 8,
        Vision = new TowerConfig(96, 2, 1),
        Text = new TowerConfig(128, 3, 2),
        ContextLength = 248,
        VocabularySize = 50,
        StretchedPositions = true,
        Moe = new MoeConfig(4, 2, 2),
    };

    [Fact]
    public void Sizes_come_from_the_shapes_and_experts_may_fill_one_tower_and_part_of_the_other() => Assert.Equal(Expected, Infer(Shapes));

    [Fact]
    public void Heads_and_top_k_come_from_our_metadata_where_there_is_any()
    {
        var claimed = Expected with { Vision = new TowerConfig(96, 2, 3), Moe = Expected.Moe! with { TopK = 3 } };
        Assert.Equal(claimed, Infer(Shapes, claimed));
        Assert.Equal(1, Infer(Shapes, claimed, topK: 1).Moe!.TopK);
    }

    [Fact]
    public void A_width_that_heads_of_64_do_not_divide_is_refused_where_the_file_does_not_tell_its_heads()
    {
        var wide = Shapes.ToDictionary(s => s.Key, s => s.Key.StartsWith("visual.") ? s.Value.Select(n => n == 96 ? 200 : n).ToArray()
            : s.Value);
        Assert.Contains("a width of 200 has no 3 attention heads of equal size", Refused(wide, null));
        Assert.Equal(8, Infer(wide, Expected with { Vision = new TowerConfig(200, 2, 8) }).Vision.Heads);
    }

    [Fact]
    public void Metadata_that_contradicts_the_tensors_is_refused()
    {
        Assert.Contains("claims another architecture", Refused(Shapes, Expected with { EmbedDim = 32 }));
        Assert.Contains("claims another architecture", Refused(Shapes, Expected with { Moe = null }));
        Assert.Contains("has no 5 attention heads", Refused(Shapes, Expected with { Vision = new TowerConfig(96, 2, 5) }));
        Assert.Contains("has no 0 attention heads", Refused(Shapes, Expected with { Text = new TowerConfig(128, 3, 0) }));
        Assert.Contains("top-5 of 4 experts", Refused(Shapes, Expected with { Moe = Expected.Moe! with { TopK = 5 } }));
        Write(Shapes, new Dictionary<string, string> { ["config"] = "{\"embedDim\":\"x\"}" });
        using var file = TensorFile.Open(_folder.File("x.safetensors"));
        Assert.Contains("is not what ClipMoe writes there", Assert.Throws<UserErrorException>(() => CheckpointConfig.Infer(file)).Message);
    }

    [Theory]
    [InlineData("visual.proj", null, "visual.proj is missing")]
    [InlineData("visual.conv1.weight", null, "visual.conv1.weight is missing")]
    [InlineData("visual.conv1.weight", new long[] { 96, 1, 8, 8 }, "visual.conv1.weight has the shape [96, 1, 8, 8]")]
    [InlineData("visual.conv1.weight", new long[] { 96, 3, 4, 8 }, "visual.conv1.weight has the shape [96, 3, 4, 8]")]
    [InlineData("visual.proj", new long[] { 96, 32 }, "visual.proj has the shape [96, 32]")]
    [InlineData("text_projection", new long[] { 64, 128 }, "text_projection has the shape [64, 128]")]
    [InlineData("visual.positional_embedding", new long[] { 16, 96 }, "are not a square of patches and one")]
    [InlineData("visual.positional_embedding", new long[] { 1, 96 }, "are not a square of patches and one")]
    [InlineData("visual.positional_embedding", new long[] { 17, 64 }, "visual.positional_embedding has the shape [17, 64]")]
    [InlineData("positional_embedding", new long[] { 0, 128 }, "positional_embedding has the shape [0, 128]")]
    [InlineData("token_embedding.weight", new long[] { 50 }, "token_embedding.weight has the shape [50]")]
    [InlineData("transformer.resblocks.0.attn.in_proj_weight", null, "transformer.resblocks.0.attn.in_proj_weight is missing")]
    [InlineData("transformer.resblocks.2.gate.weight", new long[] { 3, 128 }, "its experts are not equally many")]
    [InlineData("transformer.resblocks.2.gate.weight", null, "its experts are not equally many")]
    [InlineData("visual.transformer.resblocks.0.gate.weight", null, "its experts are not equally many")]
    public void Tensors_that_make_no_CLIP_are_refused_by_name(string name, long[]? shape, string why)
    {
        var shapes = new Dictionary<string, long[]>(Shapes);
        if (shape is null) shapes.Remove(name);
        else shapes[name] = shape;
        Assert.Contains(why, Refused(shapes));
    }

    [Fact]
    public void Other_kinds_of_CLIP_are_told_apart()
    {
        Assert.Contains("its image tower is a ResNet", Refused(new() { ["visual.layer1.0.conv1.weight"] = [1] }));
        Assert.Contains("the tensor names of Hugging Face's transformers", Refused(new() { ["vision_model.post_layernorm.weight"] = [1] }));
    }

    [Fact]
    public void Twenty_positions_cannot_be_stretched() =>
        Assert.Contains("cannot be stretched", Assert.Throws<UserErrorException>(() => PositionalStretch.StretchedLength(20)).Message);

    private ClipConfig Infer(Dictionary<string, long[]> shapes, ClipConfig? metadata = null, int? topK = null)
    {
        Write(shapes, metadata is null ? null : CheckpointMetadata.Create(metadata));
        using var file = TensorFile.Open(_folder.File("x.safetensors"));
        return CheckpointConfig.Infer(file, topK);
    }

    private string Refused(Dictionary<string, long[]> shapes, ClipConfig? metadata = null) =>
        Assert.Throws<UserErrorException>(() => Infer(shapes, metadata)).Message;

    private void Write(Dictionary<string, long[]> shapes, IReadOnlyDictionary<string, string>? metadata)
    {
        TensorInfo[] tensors = [.. shapes.Select(s => new TensorInfo(s.Key, TensorType.F32, s.Value))];
        using var writer = new SafetensorsWriter(_folder.File("x.safetensors"), tensors, metadata);
        foreach (var tensor in tensors) writer.Write(tensor.Name, new byte[tensor.ByteLength]);
        writer.Commit();
    }
}
