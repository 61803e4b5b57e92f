using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Torch;

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
        Assert.Equal(plain.Tensors.OrderBy(t => t.Name, StringComparer.Ordinal), script.Tensors.OrderBy(t => t.Name,
            StringComparer.Ordinal));
        Assert.All(plain.Tensors, t => Assert.Equal(plain.ReadBytes(t.Name), script.ReadBytes(t.Name)));
    }

    [FixtureFact(MoeCase.ConfigFile)]
    public void Every_MoE_checkpoint_has_the_names_and_shapes_that_the_reference_listed()
    {
        Assert.NotEmpty(Fixtures.MoeCases());
        foreach (var known in Fixtures.MoeCases())
        {
            using var file = TensorFile.Open(known.Checkpoint);
            Assert.Equal(known.Keys.Select(k => new TensorInfo(k.Name, TensorType.F32, k.Shape)), file.Tensors);
        }
    }

    /// <summary>
    /// The reference's <c>loadMoE</c> ends in a strict <c>load_state_dict</c>: no key more or less, and every shape as it is.
    /// </summary>
    [PythonTorchFact]
    public void A_MoE_checkpoint_that_went_through_safetensors_and_back_is_to_Python_what_it_was()
    {
        using var folder = new TemporaryFolder();
        foreach (var known in Fixtures.MoeCases())
        {
            Convert(known.Checkpoint, folder.File("moe.safetensors"));
            Convert(folder.File("moe.safetensors"), folder.File("moe.pt"));
            const string program = """
                import sys, torch
                before, after = (torch.load(path, map_location="cpu", weights_only=True) for path in sys.argv[1:])
                assert type(before) == type(after) and list(before) == list(after), "keys"
                for key in before:
                    assert before[key].shape == after[key].shape and before[key].dtype == after[key].dtype, key
                    assert torch.equal(before[key], after[key]), key
                print(len(after))
                """;
            Assert.Equal($"{known.Keys.Count()}", PythonTorch.Run(program, known.Checkpoint, folder.File("moe.pt")).Trim());
        }

        static void Convert(string from, string to)
        {
            using var source = TensorFile.Open(from);
            CheckpointConversion.Convert(source, to, new ConversionOptions());
        }
    }

    [FixtureFact("moe_dense_1.pt")]
    public void Dense_checkpoints_differ_only_in_their_mlp_tensors()
    {
        var files = Fixtures.DenseCheckpoints().Select(TensorFile.Open).ToList();
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
        return [.. json.RootElement.GetProperty(property).EnumerateObject()
            .Select(k => $"{k.Name} {Shape(k.Value[0])} {k.Value[1].GetString()}")];
    }

    private static string[] Described(ITensorFile file) => [.. file.Tensors.Select(t => $"{t.Name} {t.ShapeText} {TorchName(t.Type)}")];

    private static string Shape(JsonElement shape) => $"[{string.Join(", ", shape.EnumerateArray().Select(s => s.GetInt64()))}]";

    private static string TorchName(TensorType type) => type switch
    {
        TensorType.F32 => "torch.float32",
        TensorType.F16 => "torch.float16",
        TensorType.BF16 => "torch.bfloat16",
        TensorType.F64 => "torch.float64",
        TensorType.I32 => "torch.int32",
        TensorType.I64 => "torch.int64",
        TensorType.U8 => "torch.uint8",
        TensorType.Bool => "torch.bool",
        _ => type.ToString(),
    };
}
