using ClipMoe.Model.Checkpoints;

namespace ClipMoe.Model.Tests.Checkpoints;

public sealed class HostilePickleTests : IDisposable
{
    private const long Megabyte = 1 << 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("posix", "system")]
    [InlineData("nt", "system")]
    [InlineData("os", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("builtins", "getattr")]
    [InlineData("__builtin__", "exec")]
    [InlineData("subprocess", "Popen")]
    [InlineData("torch", "load")]
    [InlineData("torch", "ComplexFloatStorage")]
    [InlineData("torch.storage", "_load_from_bytes")]
    [InlineData("torch.nn.modules.linear", "Linear")]
    [InlineData("numpy.core.multiarray", "_reconstruct")]
    [InlineData("argparse", "Namespace")]
    [InlineData("collections", "OrderedDict.fromkeys")]
    [InlineData("__torch__x", "y")]
    [InlineData("", "")]
    public void Whatever_is_no_data_is_refused_by_name(string module, string name)
    {
        byte[][] pickles =
        [
            Pickle.Of(Pickle.Global(module, name), Pickle.Text("touch /tmp/hacked"), 0x85, "R"),
            Pickle.Of(Pickle.Text(module), Pickle.Text(name), 0x93, Pickle.Text("touch /tmp/hacked"), 0x85, "R"),
            Pickle.Of(Pickle.Dict(("weight", Pickle.Six(0, [6], [1])), ("x", Pickle.Global(module, name)))),
        ];
        foreach (var pickle in pickles)
        {
            var error = Refused(pickle);
            Assert.Contains($"refers to \"{module}.{name}\", which ClipMoe does not load", error);
        }
    }

    [PythonTorchFact]
    public void A_file_of_torch_save_that_would_run_a_command_runs_none()
    {
        const string program = """
            import os, sys, torch
            class Evil:
                def __reduce__(self):
                    return os.system, ('touch ' + sys.argv[2],)
            torch.save({'weight': torch.ones(3), 'evil': Evil()}, sys.argv[1])
            """;
        PythonTorch.Run(program, _folder.File("evil.pt"), _folder.File("touched"));
        var error = Assert.Throws<UserErrorException>(() => TensorFile.Open(_folder.File("evil.pt")));
        Assert.Equal($"{_folder.File("evil.pt")} refers to \"posix.system\", which ClipMoe does not load: a checkpoint may hold only " +
            $"tensors, "
            + "containers and scalars; nothing of it was run.", error.Message);
        Assert.False(File.Exists(_folder.File("touched")));
    }

    [Fact]
    public void A_name_cannot_steer_the_terminal_that_shows_it() =>
        Assert.Contains("\"x?[2J?.y\"", Refused(Pickle.Of(Pickle.Global("x\u001b[2J\r", "y"))));

    /// <summary>Instructions that reach for objects, files or other registries, and those of the text protocol.</summary>
    [Theory]
    [InlineData("(iposix\nsystem\n")]
    [InlineData("(o")]
    [InlineData("Pid\n")]
    [InlineData("\u0082\u0001")]
    [InlineData("\u0083\u0001\u0000")]
    [InlineData("\u0084\u0001\u0000\u0000\u0000")]
    [InlineData("\u0092")]
    [InlineData("\u0096\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0000x")]
    [InlineData("\u0097")]
    [InlineData("S'x'\n")]
    [InlineData("\u00ff")]
    public void Instructions_that_no_checkpoint_needs_are_refused(string instruction) =>
        Assert.Contains("has no place in it", Refused(Pickle.Of(instruction)));

    [Theory]
    [InlineData("X\u00ff\u00ff\u00ff\u00ff")]
    [InlineData("X\u0000\u0000\u0000\u007fabc")]
    [InlineData("\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff")]
    [InlineData("\u008b\u00ff\u00ff\u00ff\u007f")]
    [InlineData("\u008b\u00ff\u00ff\u00ff\u00ff")]
    [InlineData("\u008a\u00ffabc")]
    [InlineData("cposix")]
    [InlineData("cposix\nsystem")]
    [InlineData("K")]
    [InlineData("G\u0000")]
    [InlineData("\u0080\u0001")]
    [InlineData("h\u0001")]
    [InlineData("j\u0001\u0000\u0000\u0000")]
    [InlineData("0")]
    [InlineData("2")]
    [InlineData("q\u0000")]
    [InlineData("\u0094")]
    [InlineData("u")]
    [InlineData("e")]
    [InlineData("t")]
    [InlineData("(0")]
    [InlineData("K\u0001(\u0085")]
    [InlineData("]N\u0085NR")]
    [InlineData("NNR")]
    [InlineData("N)R")]
    [InlineData("NN\u0081")]
    [InlineData("Nb")]
    [InlineData("N}b")]
    [InlineData("N\u0093")]
    [InlineData("NN\u0093")]
    [InlineData("NQ")]
    [InlineData(")Q")]
    [InlineData("}N]s")]
    [InlineData("}]Ns")]
    [InlineData("}NNs")]
    [InlineData("}(Nu")]
    [InlineData("N(NNu")]
    [InlineData("NNa")]
    [InlineData("ccollections\nOrderedDict\n]\u0085R")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v2\n)R")]
    [InlineData("ctorch._utils\n_rebuild_parameter\nN\u0085R")]
    [InlineData("ctorch\nFloatStorage\n)R")]
    [InlineData("c__torch__.a\nB\n)\u0081Nb")]
    [InlineData("")]
    public void Nonsense_is_a_sentence(string instructions) => Assert.Contains("is damaged", Refused(Pickle.Of(instructions)));

    [Fact]
    public void A_dict_that_holds_itself_is_refused() =>
        Assert.Contains("nests containers more than 64 deep", Refused(Pickle.Of("}q\u0000", Pickle.Text("self"), "h\u0000s")));

    [Fact]
    public void Containers_nested_without_end_are_refused() =>
        Assert.Contains("nests containers more than 64 deep", Refused(Pickle.Of(Repeat("]", 100_000), Repeat("a", 99_999))));

    /// <summary>Each level holds the one below twice: 2^40 paths from 40 small dicts.</summary>
    [Fact]
    public void Containers_that_share_their_content_over_and_over_are_refused()
    {
        var pieces = new List<object> { Pickle.Dict(("w", Pickle.Six(0, [6], [1]))), "q\u0000" };
        for (var level = 0; level < 40; level++)
        {
            var below = Pickle.Raw("h", level);
            pieces.AddRange([Pickle.Dict(("a", below), ("b", below)), Pickle.Raw("q", level + 1)]);
        }

        var allocated = Allocated(() => Refused(Pickle.Of([.. pieces])));
        Assert.InRange(allocated, 0, 512 * Megabyte);
    }

    [Theory]
    [InlineData("}")]
    [InlineData("]")]
    [InlineData("N")]
    [InlineData("(")]
    [InlineData("]\u0094")]
    public void Millions_of_empty_objects_are_refused_before_they_fill_the_memory(string instruction)
    {
        var pickle = Pickle.Of(Repeat(instruction, 16_000_000 / instruction.Length));
        var allocated = Allocated(() => Refused(pickle));
        Assert.InRange(allocated, 0, 700 * Megabyte);
    }

    [Fact]
    public void Keys_that_are_long_in_sum_are_refused()
    {
        var key = Pickle.Text(new string('k', 100_000));
        var pieces = new List<object> { key, "q\u0000" };
        for (var level = 0; level < 60; level++) pieces.AddRange(["}", "h\u0000"]);
        pieces.AddRange([Pickle.Six(0, [6], [1]), Repeat("s", 60)]);
        Assert.Contains("names a tensor in", Refused(Pickle.Of([.. pieces])));
    }

    [Theory]
    [InlineData(7, 0, new long[] { 6 }, new long[] { 1 })]
    [InlineData(-1, 0, new long[] { 6 }, new long[] { 1 })]
    [InlineData(long.MaxValue, 0, new long[] { 6 }, new long[] { 1 })]
    [InlineData(6, 1, new long[] { 6 }, new long[] { 1 })]
    [InlineData(6, -1, new long[] { 2 }, new long[] { 1 })]
    [InlineData(6, long.MaxValue, new long[] { 2 }, new long[] { 1 })]
    [InlineData(6, 0, new long[] { 7 }, new long[] { 1 })]
    [InlineData(6, 0, new long[] { -6 }, new long[] { 1 })]
    [InlineData(6, 0, new long[] { 2, 3 }, new long[] { 1 })]
    [InlineData(6, 0, new long[] { 2 }, new long[] { -1 })]
    [InlineData(6, 5, new long[] { 2 }, new long[] { -1 })]
    [InlineData(6, 0, new long[] { 2 }, new long[] { long.MaxValue })]
    [InlineData(6, 0, new long[] { 2, 2 }, new long[] { 4, 2 })]
    [InlineData(6, 0, new long[] { 1L << 40 }, new long[] { 0 })]
    [InlineData(6, 0, new long[] { 1L << 32, 1L << 32 }, new long[] { 0, 0 })]
    public void Views_that_reach_outside_their_storage_are_refused(long count, long offset, long[] shape, long[] strides)
    {
        var error = Refused(Pickle.Of(Pickle.Dict(("w", Pickle.Tensor(Pickle.Storage("FloatStorage", "0", count), offset, shape,
            strides)))));
        Assert.Contains("\"w\"", error);
    }

    [Fact]
    public void Tensors_of_very_many_dimensions_are_refused()
    {
        long[] ones = [.. Enumerable.Repeat(1L, 17)];
        Assert.Contains("the shape of a tensor is none", Refused(Pickle.Of(Pickle.Dict(("w", Pickle.Six(0, ones, ones))))));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("../data.pkl")]
    [InlineData("../../../../etc/passwd")]
    public void A_storage_is_only_looked_for_in_the_archive(string key) => Assert.Contains("the storage of \"w\" is missing",
        Refused(Pickle.Of(Pickle.Dict(("w", Pickle.Tensor(Pickle.Storage("FloatStorage", key, 6), 0, [6], [1]))))));

    private string Refused(byte[] pickle)
    {
        Pickle.WriteArchive(_folder.File("x.pt"), pickle);
        var error = Assert.Throws<UserErrorException>(() => TensorFile.Open(_folder.File("x.pt")));
        Assert.Contains(_folder.File("x.pt"), error.Message);
        return error.Message;
    }

    private static long Allocated(Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static byte[] Repeat(string instruction, int times)
    {
        var one = Pickle.Raw(instruction);
        var all = new byte[one.Length * times];
        for (var i = 0; i < all.Length; i++) all[i] = one[i % one.Length];
        return all;
    }
}
