using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Torch;

namespace ClipMoe.Model.Tests.Checkpoints;

public sealed class TorchFileTests : IDisposable
{
    private static readonly float[] Six = [0, 1, 2, 3, 4, 5];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Archive => _folder.File("x.pt");

    [Fact]
    public void Views_are_read_in_row_major_order()
    {
        Pickle.WriteArchive(Archive, Pickle.Of(Pickle.Dict(
            ("plain", Pickle.Six(0, [2, 3], [3, 1])), ("transposed", Pickle.Six(0, [3, 2], [1, 3])), ("tail", Pickle.Six(4, [2], [1])),
            ("column", Pickle.Six(1, [2, 1], [3, 7])), ("every second", Pickle.Six(1, [3], [2])), ("scalar", Pickle.Six(5, [], [])),
            ("none", Pickle.Six(6, [0, 3], [3, 1])), ("repeated", Pickle.Six(2, [2, 2], [0, 1])), ("diagonal", Pickle.Six(0, [2], [4])))));
        using var file = TensorFile.Open(Archive);
        Assert.Equal(Six, file.ReadFloats("plain"));
        Assert.Equal([0, 3, 1, 4, 2, 5], file.ReadFloats("transposed"));
        Assert.Equal([4, 5], file.ReadFloats("tail"));
        Assert.Equal([1, 4], file.ReadFloats("column"));
        Assert.Equal([1, 3, 5], file.ReadFloats("every second"));
        Assert.Equal([5], file.ReadFloats("scalar"));
        Assert.Empty(file.ReadFloats("none"));
        Assert.Equal([2, 3, 2, 3], file.ReadFloats("repeated"));
        Assert.Equal([0, 4], file.ReadFloats("diagonal"));
        var part = new float[3];
        file.ReadFloats("transposed", part, 2);
        Assert.Equal([1, 4, 2], part);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read("tail", new byte[5], 4));
        Assert.Equal($"{Archive} holds no tensor \"absent\".", Assert.Throws<UserErrorException>(() => file.ReadFloats("absent")).Message);
    }

    [PythonTorchFact]
    public void Python_s_own_tensors_of_every_kind_are_read_as_Python_sees_them()
    {
        const string program = """
            import collections, sys, torch
            g = torch.Generator().manual_seed(1)
            base = torch.randn(4, 6, 5, generator=g)
            class Masked(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.inner = torch.nn.Linear(3, 2)
                    self.register_buffer('count', torch.tensor(7))
                    self.mask = torch.full((2, 2), -1.0)
                def forward(self, x):
                    return self.inner(x) @ self.mask + self.count
            tensors = {
                't': base.permute(2, 0, 1), 'slice': base[1:3, ::2, 1], 'same': base, 'half': base.half()[..., 0].t(),
                'brain': base.bfloat16(),
                'double': base.double()[2], 'parameter': torch.nn.Parameter(base[0]), 'int': torch.arange(5, dtype=torch.int32),
                'short': torch.arange(-3, 3, dtype=torch.int16), 'char': torch.arange(-3, 3, dtype=torch.int8),
                'byte': torch.arange(250, 256).to(torch.uint8), 'bool': torch.tensor([True, False]), 'long': torch.tensor(-2**40),
                'expanded': torch.tensor([3.5]).expand(1, 1), 'empty': torch.zeros(0, 3)}
            wrapped = collections.OrderedDict(('module.' + k, v) for k, v in tensors.items())
            module = Masked()
            files = {
                'plain': (tensors, tensors),
                'nested': ({'epoch': 3, 'lr': 1e-3, 'name': 'x', 'none': None, 'big': 2**70, 'set': {1, 2}, 'shape': (1, 2), 'ok': True,
                    'optimizer': {'state': {0: {'exp_avg': base}}}, 'state_dict': wrapped}, tensors),
                'lists': ({'a': [base, (base[0], 1)]}, {'a.0': base, 'a.1.0': base[0]}),
                'module': (module.state_dict(), module.state_dict()),
            }
            for name, (saved, expected) in files.items():
                torch.save(saved, f'{sys.argv[1]}/{name}.pt')
            for protocol in (3, 4, 5):
                torch.save(tensors, f'{sys.argv[1]}/protocol{protocol}.pt', pickle_protocol=protocol)
                files[f'protocol{protocol}'] = (tensors, tensors)
            torch.jit.script(module).save(f'{sys.argv[1]}/script.pt')
            files['script'] = (None, module.state_dict())
            for name, (_, expected) in files.items():
                for k, v in sorted(expected.items()):
                    print(name, k, list(v.shape), v.detach().double().contiguous().numpy().tobytes().hex(), sep='|')
            """;
        var output = PythonTorch.Run(program, _folder.Path).TrimEnd().Split('\n');
        foreach (var lines in output.GroupBy(l => l.Split('|')[0]))
        {
            using var file = TensorFile.Open(_folder.File($"{lines.Key}.pt"));
            Assert.Equal(lines, file.Tensors.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => Described(lines.Key, file, t)));
        }
    }

    [Theory]
    [InlineData("state_dict")]
    [InlineData("model")]
    [InlineData("model_state_dict")]
    public void The_model_is_found_in_a_training_checkpoint_and_loses_the_prefix_of_its_wrapper(string key)
    {
        var model = Pickle.Dict(("module.w", Pickle.Six(0, [6], [1])), ("module.b", Pickle.Six(0, [], [])));
        var optimizer = Pickle.Dict(("moment", Pickle.Six(0, [6], [1])));
        Pickle.WriteArchive(Archive, Pickle.Of(Pickle.Dict(("optimizer", optimizer), (key, model))));
        using var file = TensorFile.Open(Archive);
        Assert.Equal(["w", "b"], file.Tensors.Select(t => t.Name));
    }

    [Fact]
    public void Of_a_TorchScript_module_only_parameters_and_buffers_are_taken()
    {
        var innerState = Pickle.Dict(("w", Pickle.Six(0, [6], [1])), ("mask", Pickle.Six(0, [6], [1])));
        var inner = Pickle.Raw(Pickle.Global("__torch__.net.___torch_mangle_3", "Inner"), ")", 0x81, innerState, "b");
        var state = Pickle.Dict(("scale", Pickle.Six(1, [], [])), ("training", Pickle.Raw(0x88)), ("inner", inner));
        var root = Pickle.Of(Pickle.Global("__torch__.net", "Net"), ")", 0x81, state, "b");
        const string net = "class Other(Module):\n  __parameters__ = [\"none\", ]\n"
            + "class Net(Module):\n  __parameters__ = []\n  __buffers__ = [\"scale\", ]\n  scale : Tensor\n";
        const string mangled = "class Inner(Module):\n  __parameters__ = [\"w\", ]\n  __buffers__ = []\n";
        Pickle.WriteArchive(Archive, root,
            ("archive/code/__torch__/net.py", Encoding.UTF8.GetBytes(net), CompressionLevel.Optimal),
            ("archive/code/__torch__/net/___torch_mangle_3.py", Encoding.UTF8.GetBytes(mangled), CompressionLevel.Optimal));
        using var file = TensorFile.Open(Archive);
        Assert.Equal(["scale", "inner.w"], file.Tensors.Select(t => t.Name));
    }

    [Fact]
    public void A_deflated_pickle_is_read_a_deflated_storage_is_refused()
    {
        var pickle = Pickle.Of(Pickle.Dict(("w", Pickle.Six(0, [6], [1]))));
        Pickle.WriteArchive(Archive, pickle, ("archive/data.pkl", pickle, CompressionLevel.Optimal));
        using (var file = TensorFile.Open(Archive)) Assert.Equal(Six, file.ReadFloats("w"));
        Pickle.WriteArchive(Archive, pickle, ("archive/data/0", new byte[24], CompressionLevel.Optimal));
        Assert.Contains("the storage of \"w\" is compressed", Refused());
    }

    [Fact]
    public void A_record_that_inflates_beyond_any_checkpoint_is_refused_unread()
    {
        Pickle.WriteArchive(Archive, [], ("archive/data.pkl", new byte[80 << 20], CompressionLevel.Optimal));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("claims 83886080 bytes", Refused());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void A_deflated_record_that_is_stored_in_far_more_bytes_than_it_has_is_refused_unread()
    {
        var pickle = Pickle.Of(Pickle.Dict(("w", Pickle.Six(0, [6], [1]))));
        Pickle.WriteArchive(Archive, pickle, ("archive/data.pkl", pickle, CompressionLevel.Optimal));
        GrowLastRecord(Archive, by: 3u << 30);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("stored in ", Refused());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void Records_that_would_leave_a_folder_are_only_names()
    {
        var pickle = Pickle.Of(Pickle.Dict(("w", Pickle.Six(0, [6], [1]))));
        Pickle.WriteArchive(Archive, pickle, ("../../evil", [1], CompressionLevel.NoCompression),
            ("/etc/evil", [1], CompressionLevel.NoCompression));
        using var file = TensorFile.Open(Archive);
        Assert.Equal(Six, file.ReadFloats("w"));
        Assert.Equal([Archive], Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void What_is_no_archive_of_PyTorch_s_is_told_apart()
    {
        var pickle = Pickle.Of(Pickle.Dict(("w", Pickle.Six(0, [6], [1]))));
        Pickle.WriteArchive(Archive, pickle, ("other/data.pkl", pickle, CompressionLevel.NoCompression));
        Assert.Contains("it holds 2 data.pkl instead of one", Refused());
        Pickle.WriteArchive(Archive, pickle, ("archive/byteorder", "big"u8.ToArray(), CompressionLevel.NoCompression));
        Assert.Contains("big-endian", Refused());
        Pickle.WriteArchive(Archive, pickle, ("archive/extra/clipmoe.json", "{\"a\":1}"u8.ToArray(), CompressionLevel.NoCompression));
        Assert.Contains("extra/clipmoe.json is no JSON object of texts", Refused());
        File.WriteAllBytes(Archive, [0x80, 2, 0x8a, 10, .. new byte[100]]);
        Assert.Contains("wrote before 1.6", Refused());
        File.WriteAllBytes(Archive, []);
        Assert.Contains("is neither a safetensors file nor a PyTorch archive", Refused());
        Assert.Contains("cannot be read", Assert.Throws<UserErrorException>(() => TensorFile.Open(_folder.Path)).Message);
    }

    /// <summary>More records than a zip directory of the first kind can count.</summary>
    [Fact]
    public void Archives_of_more_than_65535_records_are_written_and_read()
    {
        var tensors = Enumerable.Range(0, 66_000).Select(i => new TensorInfo($"t{i}", TensorType.U8, [1])).ToList();
        using (var writer = new TorchWriter(Archive, tensors))
        {
            for (var i = 0; i < tensors.Count; i++) writer.Write(tensors[i].Name, [(byte)i]);
            writer.Commit();
        }

        using var file = TensorFile.Open(Archive);
        Assert.Equal(tensors, file.Tensors);
        Assert.Equal([unchecked((byte)65_999)], file.ReadBytes("t65999"));
    }

    /// <summary>Puts a hole behind the last record, which then claims to be stored in that much more.</summary>
    private static void GrowLastRecord(string path, uint by)
    {
        const int endLength = 22, sizeOffset = 20, entryOffset = 16;
        var bytes = File.ReadAllBytes(path);
        var end = bytes.AsSpan(bytes.Length - endLength);
        var directory = (int)BitConverter.ToUInt32(end[entryOffset..]);
        var lastEntry = bytes.AsSpan().LastIndexOf("PK\x01\x02"u8);
        Add(bytes.AsSpan(lastEntry + sizeOffset), by);
        Add(end[entryOffset..], by);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write);
        file.Position = directory + (long)by;
        file.Write(bytes.AsSpan(directory));

        static void Add(Span<byte> number, uint by) => BitConverter.TryWriteBytes(number, BitConverter.ToUInt32(number) + by);
    }

    private string Refused() => Assert.Throws<UserErrorException>(() => TensorFile.Open(Archive)).Message;

    private static string Described(string label, ITensorFile file, TensorInfo tensor)
    {
        IEnumerable<double> values = tensor.Type switch
        {
            TensorType.F64 => MemoryMarshal.Cast<byte, double>(file.ReadBytes(tensor.Name)).ToArray(),
            _ when tensor.Type.IsFloat() => file.ReadFloats(tensor.Name).Select(v => (double)v),
            _ => file.ReadIntegers(tensor.Name).Select(v => (double)v),
        };
        var doubles = values.SelectMany(BitConverter.GetBytes).ToArray();
        return $"{label}|{tensor.Name}|{tensor.ShapeText}|{Convert.ToHexStringLower(doubles)}";
    }
}
