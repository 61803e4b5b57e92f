using System.Security.Cryptography;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Checkpoints;

public sealed class TensorWriterTests : IDisposable
{
    private static readonly IReadOnlyList<TensorInfo> Tensors =
    [
        new("a.half", TensorType.F16, [3]), new("scalar", TensorType.F32, []), new("empty", TensorType.F32, [0, 4]),
        new("flags", TensorType.Bool, [5]), new("conv", TensorType.F32, [2, 3, 4, 5]), new("brain", TensorType.BF16, [7, 1]),
        new("wide", TensorType.F64, [2]), new("long", TensorType.I64, [3]), new("int", TensorType.I32, [3]),
        new("short", TensorType.I16, [3]),
        new("char", TensorType.I8, [3]), new("byte, with \"quotes\" and ü", TensorType.U8, [3]), new("last empty", TensorType.I64, [0]),
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a.safetensors")]
    [InlineData("a.pt")]
    public void What_is_written_is_read_again(string name)
    {
        var path = _folder.File(name);
        var metadata = new Dictionary<string, string> { ["k"] = "v\n\"w\"" };
        var elements = WriteAll(path, metadata);
        using var file = TensorFile.Open(path);
        Assert.Equal(Tensors, file.Tensors);
        Assert.Equal(metadata, file.Metadata);
        Assert.All(Tensors, t => Assert.Equal(elements[t.Name], file.ReadBytes(t.Name)));
        var middle = new byte[8];
        file.Read("conv", middle, 16);
        Assert.Equal(elements["conv"][16..24], middle);
    }

    [PythonTorchFact]
    public void Python_opens_our_archives_without_running_code_and_finds_the_same_tensors()
    {
        const string program = """
            import hashlib, sys, torch
            state = torch.load(sys.argv[1], weights_only=True)
            assert type(state).__name__ == 'OrderedDict'
            for name, t in state.items():
                assert t.storage_offset() == 0 and t.is_contiguous()
                raw = t.view(torch.int16) if t.dtype == torch.bfloat16 else t
                print(name, list(t.shape), t.dtype, hashlib.sha256(raw.numpy().tobytes()).hexdigest())
            """;
        var path = _folder.File("a.pt");
        var elements = WriteAll(path, new Dictionary<string, string> { ["k"] = "v" });
        string[] dtypes =
            ["float16", "float32", "float32", "bool", "float32", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8",
                "int64"];
        var expected = Tensors.Zip(dtypes, (t, dtype) =>
            $"{t.Name} {t.ShapeText} torch.{dtype} {Convert.ToHexStringLower(SHA256.HashData(elements[t.Name]))}");
        Assert.Equal(expected, PythonTorch.Run(program, path).TrimEnd().Split('\n'));
    }

    [Fact]
    public void Unsigned_16_bit_integers_are_for_safetensors_alone()
    {
        var tensors = new TensorInfo[] { new("a", TensorType.U16, [2]) };
        using (var writer = TensorFile.Create(_folder.File("a.safetensors"), tensors))
        {
            writer.Write("a", [0, 0, 255, 255]);
            writer.Commit();
        }
        using var file = TensorFile.Open(_folder.File("a.safetensors"));
        Assert.Equal([0, 65535], file.ReadIntegers("a"));
        Assert.Contains("U16", Assert.Throws<UserErrorException>(() =>
        {
            using var archive = TensorFile.Create(_folder.File("a.pt"), tensors);
            archive.Write("a", [0, 0, 255, 255]);
            archive.Commit();
        }).Message);
    }

    [Fact]
    public void Storages_begin_at_multiples_of_64_bytes_in_archives_and_of_their_element_in_safetensors()
    {
        WriteAll(_folder.File("a.pt"), null);
        WriteAll(_folder.File("a.safetensors"), null);
        var archive = File.ReadAllBytes(_folder.File("a.pt"));
        var safetensors = File.ReadAllBytes(_folder.File("a.safetensors"));
        foreach (var tensor in Tensors.Where(t => t.Count > 2))
        {
            var elements = Elements(tensor);
            Assert.Equal(0, archive.AsSpan().IndexOf(elements) % 64);
            Assert.Equal(0, safetensors.AsSpan().IndexOf(elements) % tensor.Type.Size());
        }
    }

    [Theory]
    [InlineData("a.safetensors")]
    [InlineData("a.pt")]
    public void Floats_are_rounded_to_the_type_of_the_tensor(string name)
    {
        float[] values = [1f, 1.0009766f, 65504f, 1e-8f, float.NaN, float.NegativeInfinity, 1.00390625f, 1.01171875f];
        TensorInfo[] tensors =
            [new("h", TensorType.F16, [8]), new("b", TensorType.BF16, [8]), new("f", TensorType.F32, [8]), new("d", TensorType.F64, [8])];
        using (var writer = TensorFile.Create(_folder.File(name), tensors))
        {
            foreach (var tensor in tensors) writer.WriteFloats(tensor.Name, values);
            writer.Commit();
        }

        using var file = TensorFile.Open(_folder.File(name));
        Assert.Equal(values.Select(v => (float)(Half)v), file.ReadFloats("h"));
        // Ties go to the even neighbor: 1 + 2^-8 down to 1, 1 + 3·2^-8 up to 1 + 2^-6.
        Assert.Equal([1f, 1f, 65536f, 1.0011718e-8f, float.NaN, float.NegativeInfinity, 1f, 1.015625f], file.ReadFloats("b"));
        Assert.Equal(values, file.ReadFloats("f"));
        Assert.Equal(values, file.ReadFloats("d"));
    }

    [Fact]
    public void Nothing_appears_without_a_commit_and_a_commit_needs_every_tensor()
    {
        using (var writer = TensorFile.Create(_folder.File("a.pt"), Tensors))
        {
            writer.Write("a.half", new byte[4]);
            Assert.Throws<InvalidOperationException>(() => writer.Write("a.half", new byte[4]));
            Assert.Throws<InvalidOperationException>(() => writer.Write("conv", new byte[4]));
            Assert.Throws<InvalidOperationException>(writer.Commit);
        }

        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_header_that_cannot_be_written_leaves_no_temporary_file()
    {
        TensorInfo[] unknownToPython = [new("a", TensorType.U16, [1])];
        Assert.Throws<UserErrorException>(() => TensorFile.Create(_folder.File("a.pt"), unknownToPython));
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    private static Dictionary<string, byte[]> WriteAll(string path, IReadOnlyDictionary<string, string>? metadata)
    {
        var elements = Tensors.ToDictionary(t => t.Name, Elements);
        using var writer = TensorFile.Create(path, Tensors, metadata);
        foreach (var tensor in Tensors)
        {
            var half = elements[tensor.Name].Length / 2;
            writer.Write(tensor.Name, elements[tensor.Name].AsSpan(0, half));
            writer.Write(tensor.Name, elements[tensor.Name].AsSpan(half));
        }

        writer.Commit();
        return elements;
    }

    private static byte[] Elements(TensorInfo tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        new Random(tensor.Name.Length).NextBytes(bytes);
        if (tensor.Type == TensorType.Bool) foreach (ref var b in bytes.AsSpan()) b &= 1;
        return bytes;
    }
}
