using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Checkpoints.Torch;

namespace ClipMoe.Model.Tests.Checkpoints;

[Trait("Category", "Parity")]
public sealed class TorchFileParityTests
{
    private const string Dense = "dense_openai_fp16.pt", Script = "dense_openai_fp16_torchscript.pt", DenseConfig = "dense_config.json";

    [FixtureFact(Dense, DenseConfig)]
    public void The_OpenAI_state_dict_has_the_names_shapes_and_types_that_the_reference_listed()
    {
        using var file = TensorFile.Open(Fixtures.Path(Dense));
        Assert.Equal(Keys(Fixtures.Path(DenseConfig), "keys"), Described(file));
    }

    [FixtureFact(Dense, Script)]
    public void The_TorchScript_archive_gives_the_same_names_and_tensors_as_the_state_dict()
    {
        using var plain = TensorFile.Open(Fixtures.Path(Dense));
        using var script = TensorFile.Open(Fixtures.Path(Script));
        Assert.Equal(plain.Tensors.OrderBy(t => t.Name, StringComparer.Ordinal), script.Tensors.OrderBy(t => t.Name, StringComparer.Ordinal));
        Assert.All(plain.Tensors, t => Assert.Equal(plain.ReadBytes(t.Name), script.ReadBytes(t.Name)));
    }

    [FixtureFact("moe_config.json")]
    public void Every_MoE_checkpoint_has_the_names_and_shapes_that_the_reference_listed()
    {
        using var config = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("moe_config.json")));
        var read = 0;
        foreach (var entry in config.RootElement.GetProperty("cases").EnumerateObject())
        {
            var path = Fixtures.Path($"{entry.Name}.pt");
            if (Fixtures.IsSmallCopy && !File.Exists(path)) continue;
            using var file = TensorFile.Open(path);
            var expected = entry.Value.GetProperty("keys").EnumerateObject().Select(k => $"{k.Name} {Shape(k.Value)}");
            Assert.Equal(expected, file.Tensors.Select(t => $"{t.Name} {t.ShapeText}"));
            read++;
        }

        Assert.NotEqual(0, read);
    }

    [FixtureFact("moe_dense_1.pt")]
    public void Dense_checkpoints_differ_only_in_their_mlp_tensors()
    {
        var files = Fixtures.Matching("moe_dense_*.pt").Select(TensorFile.Open).ToList();
        foreach (var other in files.Skip(1))
        {
            Assert.Equal(files[0].Tensors, other.Tensors);
            Assert.All(files[0].Tensors, t =>
                Assert.Equal(t.Name.Contains(".mlp."), !files[0].ReadBytes(t.Name).SequenceEqual(other.ReadBytes(t.Name))));
        }

        files.ForEach(f => f.Dispose());
    }

    [FixtureFact("mcl_pseudo_labels.pt", "mcl_sampler.json")]
    public void A_bare_label_tensor_is_read()
    {
        using var file = TensorFile.Open(Fixtures.Path("mcl_pseudo_labels.pt"));
        var info = Assert.Single(file.Tensors);
        Assert.Equal((TorchFile.BareTensor, TensorType.I64), (info.Name, info.Type));
        using var sampler = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("mcl_sampler.json")));
        var sizes = sampler.RootElement.GetProperty("cluster_sizes").EnumerateArray().Select(s => s.GetInt32());
        Assert.Equal(sizes.Order(), file.ReadIntegers(info.Name).CountBy(l => l).Select(c => c.Value).Order());
    }

    private static string[] Keys(string config, string property)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(config));
        return [.. json.RootElement.GetProperty(property).EnumerateObject().Select(k => $"{k.Name} {Shape(k.Value[0])} {k.Value[1].GetString()}")];
    }

    private static string[] Described(ITensorFile file) => [.. file.Tensors.Select(t => $"{t.Name} {t.ShapeText} {TorchName(t.Type)}")];

    private static string Shape(JsonElement shape) => $"[{string.Join(", ", shape.EnumerateArray().Select(s => s.GetInt64()))}]";

    private static string TorchName(TensorType type) => type switch
    {
        TensorType.F32 => "torch.float32",
        TensorType.F16 => "torch.float16",
        TensorType.I64 => "torch.int64",
        _ => type.ToString(),
    };
}
