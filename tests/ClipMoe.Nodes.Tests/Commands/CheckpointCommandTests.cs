using System.Diagnostics;
using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Nodes.Tests.Commands;

/// <summary><c>clipmoe convert</c> and <c>clipmoe inspect</c> on checkpoints.</summary>
public sealed class CheckpointCommandTests : IDisposable
{
    private const string Dense = "dense_openai_fp16.pt", Script = "dense_openai_fp16_torchscript.pt";

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [FixtureFact(Script, Dense)]
    public void Converting_to_safetensors_and_back_changes_no_bit_and_keeps_the_provenance()
    {
        var (safetensors, pt) = (In("a.safetensors"), In("a.pt"));
        Assert.Equal(0, Cli.Run("convert", Fixtures.Path(Script), safetensors).ExitCode);
        Assert.Equal(0, Cli.Run("convert", safetensors, pt).ExitCode);
        using var original = TensorFile.Open(Fixtures.Path(Dense));
        using var back = TensorFile.Open(pt);
        Assert.Equal(original.Tensors.Count, back.Tensors.Count);
        Assert.All(original.Tensors, t => Assert.Equal((t, original.ReadBytes(t.Name)), (back.Get(t.Name), back.ReadBytes(t.Name)),
            SameTensor));
        Assert.Equal(new Provenance(FileHash.Sha256(Fixtures.Path(Script))), CheckpointMetadata.Provenance(back));
    }

    [FixtureFact(Dense, "dense_config.json", "dense_io.safetensors")]
    public void A_stretched_conversion_is_what_the_reference_has_after_loading()
    {
        var outcome = Cli.Run("convert", Fixtures.Path(Dense), In("a.safetensors"), "--stretch", "--dtype", "fp32");
        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        using var file = TensorFile.Open(In("a.safetensors"));
        using var io = TensorFile.Open(Fixtures.Path("dense_io.safetensors"));
        using var config = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("dense_config.json")));
        var expected = config.RootElement.GetProperty("loaded_keys").EnumerateObject().Select(k =>
            $"{k.Name} [{string.Join(", ", k.Value[0].EnumerateArray())}] {k.Value[1].GetString()}");
        Assert.Equal(expected.Order(), file.Tensors.Select(t => $"{t.Name} {t.ShapeText} torch.float32").Order());
        foreach (var name in (string[])["positional_embedding", "positional_embedding_res"])
            Assert.Equal(io.ReadFloats(name), file.ReadFloats(name));

        var again = Cli.Run("convert", In("a.safetensors"), In("b.safetensors"), "--stretch");
        Assert.Equal(2, again.ExitCode);
        Assert.Contains("is stretched already", again.Error);
        Assert.False(File.Exists(In("b.safetensors")));
    }

    [FixtureFact(MoeCase.ConfigFile)]
    public void Narrowing_touches_only_what_OpenAI_publishes_in_fp16()
    {
        var moe = Fixtures.MoeCases()[0].Checkpoint;
        Assert.Equal(0, Cli.Run("convert", moe, In("a.pt"), "--dtype", "fp16", "--top-k", "1").ExitCode);
        using var source = TensorFile.Open(moe);
        using var file = TensorFile.Open(In("a.pt"));
        Assert.All(file.Tensors, t =>
        {
            Assert.Equal(HalfRounding.Applies(t.Name) ? TensorType.F16 : TensorType.F32, t.Type);
            // The reference rounded its weights already, so nothing is lost.
            Assert.Equal(source.ReadFloats(t.Name), file.ReadFloats(t.Name));
        });
        Assert.Equal(1, CheckpointConfig.Infer(file).Moe!.TopK);
    }

    [FixtureFact(MoeCase.ConfigFile)]
    public void Inspect_tells_architecture_counts_types_and_provenance_to_people_and_programs()
    {
        var moe = Fixtures.MoeCases()[0];
        using var source = TensorFile.Open(moe.Checkpoint);
        var total = source.Tensors.Sum(t => t.Count);

        var text = Cli.Run("inspect", moe.Checkpoint);
        Assert.Equal((0, ""), (text.ExitCode, text.Error));
        Assert.Contains("CLIP-MoE", text.Output);
        Assert.Contains($"{moe.Experts}, top-{Math.Min(2, moe.Experts)} assumed", text.Output);
        Assert.Contains("not recorded", text.Output);

        using var json = JsonDocument.Parse(Cli.Run("inspect", moe.Checkpoint, "--json").Output);
        Assert.Equal("moe", json.RootElement.GetProperty("kind").GetString());
        Assert.Equal(moe.Experts, json.RootElement.GetProperty("config").GetProperty("moe").GetProperty("experts").GetInt32());
        Assert.True(json.RootElement.GetProperty("top_k_is_assumed").GetBoolean());
        Assert.Equal(source.Get("visual.proj").Shape[1], json.RootElement.GetProperty("config").GetProperty("embed_dim").GetInt64());
        Assert.Equal(total, json.RootElement.GetProperty("parameters").GetProperty("total").GetInt64());
        Assert.Equal(total, json.RootElement.GetProperty("types").GetProperty("F32").GetInt64());
        Assert.Equal(FileHash.Sha256(moe.Checkpoint), json.RootElement.GetProperty("sha256").GetString());
    }

    [FixtureFact(MoeCase.ConfigFile, MoeCase.InputsFile)]
    public void A_flipped_byte_of_a_checkpoint_of_ours_is_found_by_every_command()
    {
        var moe = Fixtures.MoeCases()[0];
        Assert.Equal(0, Cli.Run("convert", moe.Checkpoint, In("a.safetensors")).ExitCode);
        var bytes = File.ReadAllBytes(In("a.safetensors"));
        bytes[^1] ^= 1;
        File.WriteAllBytes(In("a.safetensors"), bytes);
        foreach (var arguments in (string[][])
            [["inspect", In("a.safetensors")], ["inspect", In("a.safetensors"), "--json"], ["convert", In("a.safetensors"), In("b.pt")],
                ["verify", In("a.safetensors"), moe.Outputs, "--inputs", Fixtures.Path(MoeCase.InputsFile)]])
        {
            var outcome = Cli.Run(arguments);
            Assert.Equal((2, ""), (outcome.ExitCode, outcome.Output));
            Assert.StartsWith($"clipmoe: {In("a.safetensors")} is damaged: its data is not what was written", outcome.Error);
        }

        Assert.Equal([In("a.safetensors")], Directory.GetFiles(_folder));
    }

    [FixtureFact(MoeCase.ConfigFile)]
    public void The_root_of_an_unpacked_libtorch_stands_for_its_lib()
    {
        var packaged = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        Directory.CreateSymbolicLink(In("lib"), Directory.Exists(packaged) ? packaged : AppContext.BaseDirectory);
        var moe = Fixtures.MoeCases()[0];
        string[] verify = ["verify", moe.Checkpoint, moe.Outputs, "--inputs", Fixtures.Path(MoeCase.InputsFile)];
        foreach (var folder in (string[])[_folder, In("lib")])
            Assert.Equal(0, Cli.Run([], verify, new() { ["CLIPMOE_LIBTORCH"] = folder }).ExitCode);
        var neither = Cli.Run([], verify, new() { ["CLIPMOE_LIBTORCH"] = "/etc" });
        Assert.Equal(2, neither.ExitCode);
        Assert.Contains("CLIPMOE_LIBTORCH=/etc holds no libtorch_cpu.so", neither.Error);
    }

    [Fact]
    public void Wrong_input_is_one_sentence_and_exit_code_2()
    {
        File.WriteAllText(In("text.pt"), "this is no checkpoint");
        foreach (var (arguments, sentence) in new (string[], string)[]
        {
            (["inspect", In("absent")], "does not exist."),
            (["inspect", In("text.pt")], "is neither a safetensors file nor a PyTorch archive (.pt)."),
            (["inspect", _folder], "holds no images"),
            (["convert", In("text.pt"), In("out.safetensors")], "is neither a safetensors file nor a PyTorch archive (.pt)."),
            (["convert", In("text.pt"), In("out.zip")], "OUT must end in .safetensors, .pt, .pth"),
            (["convert", In("text.pt")], "Required argument 'OUT' missing"),
            (["convert", "a", "b.pt", "--dtype", "fp8"], "fp8"),
        })
        {
            var outcome = Cli.Run(arguments);
            Assert.Equal(2, outcome.ExitCode);
            Assert.Contains(sentence, outcome.Error);
            Assert.DoesNotContain("   at ", outcome.Error);
        }

        Assert.Equal([In("text.pt")], Directory.GetFiles(_folder));
    }

    [FixtureFact(Dense)]
    public void An_output_that_cannot_be_written_is_a_sentence_and_exit_code_1()
    {
        File.WriteAllText(In("file"), "");
        var outcome = Cli.Run("convert", Fixtures.Path(Dense), Path.Combine(In("file"), "below.safetensors"));
        Assert.Equal(1, outcome.ExitCode);
        Assert.Contains("could not be written", outcome.Error);
    }

    [FixtureTheory(Dense)]
    [InlineData("out.safetensors")]
    [InlineData("out.pt")]
    public void A_header_that_does_not_fit_on_the_disk_is_a_sentence_and_leaves_nothing_behind(string name)
    {
        // No file may grow; an ignored SIGXFSZ makes that an error of the write. The runtime's own memory files count as well, so it makes
        // none.
        var program = $"trap '' XFSZ; ulimit -f 0; exec dotnet exec '{Path.Combine(AppContext.BaseDirectory, "clipmoe.dll")}' \"$@\"";
        var start = new ProcessStartInfo("bash", ["-c", program, "bash", "convert", Fixtures.Path(Dense),
            In(name)])
        { RedirectStandardError = true };
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(1, process.ExitCode);
        Assert.StartsWith($"clipmoe: {In(name)} could not be written: the file is too large", error);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static bool SameTensor((TensorInfo Info, byte[] Bytes) a, (TensorInfo Info, byte[] Bytes) b) =>
        a.Info.Equals(b.Info) && a.Bytes.SequenceEqual(b.Bytes);
}
