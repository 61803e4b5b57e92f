using System.Security.Cryptography;
using System.Text;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    private static readonly TensorInfo[] Tensors = [new("w", TensorType.F32, [2, 3]), new("m/w", TensorType.F32, [6])];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private CheckpointStore Store => new(_folder.File("store"), keep: 2);

    [Fact]
    public void A_folder_that_is_not_there_holds_no_checkpoint()
    {
        Assert.Null(Store.LatestIntact(out var damaged));
        Assert.Empty(damaged);
    }

    [Fact]
    public void The_latest_checkpoint_gives_back_tensors_metadata_and_position()
    {
        Write(10, 1);
        var written = Write(20, 2);
        var latest = Store.LatestIntact(out var damaged)!;
        Assert.Empty(damaged);
        Assert.Equal((20, written.ManifestSha256), (latest.Step, latest.ManifestSha256));
        Assert.Equal(new Position(3, 20), latest.ReadJson<Position>("position"));
        using var tensors = latest.OpenTensors("state");
        Assert.Equal("v", tensors.Metadata["k"]);
        Assert.Equal([2f, 2f, 2f, 2f, 2f, 2f], tensors.ReadFloats("w"));
        Assert.Contains("has no part \"absent\"", Assert.Throws<UserErrorException>(() => latest.PathOf("absent")).Message);
    }

    [Fact]
    public void The_same_state_has_the_same_hash_wherever_it_is_written()
    {
        var elsewhere = new CheckpointStore(_folder.File("elsewhere"));
        Assert.Equal(Write(10, 1).ManifestSha256, Write(10, 1, elsewhere).ManifestSha256);
        Assert.NotEqual(Write(10, 1).ManifestSha256, Write(10, 2).ManifestSha256);
    }

    [Fact]
    public void Only_the_newest_are_kept_and_nothing_of_the_others_remains()
    {
        for (var step = 1; step <= 5; step++) Write(step, step);
        File.WriteAllText(_folder.File("store/notes.txt"), "not ours");
        Write(6, 6);
        var files = Directory.GetFiles(_folder.File("store"));
        Assert.Equal(["00000005", "00000006", "notes.tx"], files.Select(f => Path.GetFileName(f)[..8]).Distinct().Order());
        Assert.Equal(2 * 3 + 1, files.Length);
    }

    [Theory]
    [InlineData("*-state-*.safetensors", "its content is not what was written")]
    [InlineData("*-position-*.json", "its content is not what was written")]
    [InlineData("*.manifest.json", "is damaged")]
    public void Any_flipped_byte_is_found_and_the_checkpoint_before_is_used(string pattern, string why)
    {
        Write(10, 1);
        Write(20, 2);
        var path = Directory.GetFiles(_folder.File("store"), pattern).Max()!;
        var length = (int)new FileInfo(path).Length;
        for (var at = 0; at < length; at += Math.Max(1, length / 40))
        {
            FlipByte(path, at);
            Assert.Equal(10, Store.LatestIntact(out var damaged)!.Step);
            Assert.Contains(why, Assert.Single(damaged).Why);
            FlipByte(path, at);
        }

        Assert.Equal(20, Store.LatestIntact(out _)!.Step);
    }

    [Theory]
    [InlineData("*-state-*.safetensors")]
    [InlineData("*-position-*.json")]
    [InlineData("*.manifest.json")]
    public void A_cut_off_file_is_found(string pattern)
    {
        Write(10, 1);
        Write(20, 2);
        var path = Directory.GetFiles(_folder.File("store"), pattern).Max()!;
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^1]);
        Assert.Equal(10, Store.LatestIntact(out var damaged)!.Step);
        Assert.Contains(path, Assert.Single(damaged).Why);
        File.WriteAllBytes(path, []);
        Assert.Equal(10, Store.LatestIntact(out _)!.Step);
    }

    [Fact]
    public void A_missing_file_is_found_and_no_intact_checkpoint_is_not_an_error()
    {
        Write(10, 1);
        File.Delete(Directory.GetFiles(_folder.File("store"), "*-state-*").Single());
        Assert.Null(Store.LatestIntact(out var damaged));
        Assert.EndsWith("is missing.", Assert.Single(damaged).Why);
    }

    [Fact]
    public void A_damaged_checkpoint_does_not_push_out_an_intact_one()
    {
        Write(10, 1);
        Write(20, 2);
        File.Delete(Directory.GetFiles(_folder.File("store"), "00000020-state-*").Single());
        Write(30, 3);
        FlipByte(Directory.GetFiles(_folder.File("store"), "00000030-state-*").Single(), 9);
        Assert.Equal(10, Store.LatestIntact(out _)!.Step);
    }

    [Fact]
    public void A_writer_that_is_behind_removes_nothing_of_what_others_have_written()
    {
        Write(30, 1);
        Write(40, 2);
        using var writing = AtomicFile.Create(_folder.File("store/00000020-state.safetensors"));
        Write(20, 3);
        Assert.Equal(40, Store.LatestIntact(out var damaged)!.Step);
        Assert.Empty(damaged);
        Assert.True(File.Exists(writing.Stream.Name));
    }

    [Fact]
    public void A_failed_write_leaves_the_last_checkpoint_and_its_rest_goes_with_the_next()
    {
        Write(10, 1);
        Assert.Throws<FileWriteException>(() => Store.Write(20, writer =>
        {
            writer.Json("position", new Position(3, 20));
            throw AtomicFile.Explain("x", new IOException("No space left on device", 28));
        }));
        File.WriteAllText(Temporary(NoProcess), "half");
        Assert.Equal(10, Store.LatestIntact(out var damaged)!.Step);
        Assert.Empty(damaged);
        Write(20, 2);
        Write(30, 3);
        Assert.Equal(2 * 3, Directory.GetFiles(_folder.File("store")).Length);
    }

    [Fact]
    public void What_a_killed_writer_left_of_a_step_goes_with_the_next_write_of_that_step()
    {
        Write(10, 1);
        File.WriteAllText(Temporary(NoProcess), "half");
        Write(20, 2);
        Assert.Equal(2 * 3, Directory.GetFiles(_folder.File("store")).Length);
    }

    [Fact]
    public void What_a_process_of_this_or_of_another_machine_may_still_write_stays()
    {
        Write(10, 1);
        string[] others = [Temporary(Environment.ProcessId), $"{Temporary(NoProcess)}-2"];
        foreach (var other in others) File.WriteAllText(other, "half");
        Write(20, 2);
        Assert.All(others, o => Assert.True(File.Exists(o)));
    }

    /// <summary>Greater than any that Linux gives.</summary>
    private const int NoProcess = int.MaxValue;

    private string Temporary(int process) => AtomicFile.TemporaryName(_folder.File("store/00000020-state.safetensors"), process);

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/passwd")]
    public void A_manifest_that_points_outside_its_folder_is_damaged(string file)
    {
        var manifest = Encoding.UTF8.GetBytes($$"""{"step":7,"parts":[{"name":"state","file":"{{file}}","length":0,"sha256":""}]}""");
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(manifest));
        Directory.CreateDirectory(_folder.File("store"));
        File.WriteAllBytes(_folder.File($"store/00000007-{sha256[..16]}.manifest.json"), manifest);
        Assert.Null(Store.LatestIntact(out var damaged));
        Assert.EndsWith("is damaged.", Assert.Single(damaged).Why);
    }

    private Checkpoint Write(long step, float value, CheckpointStore? store = null) => (store ?? Store).Write(step, writer =>
    {
        writer.Tensors("state", Tensors, tensors =>
        {
            foreach (var tensor in Tensors) tensors.WriteFloats(tensor.Name, Enumerable.Repeat(value, 6).ToArray());
        }, new Dictionary<string, string> { ["k"] = "v" });
        writer.Json("position", new Position(3, step));
    });

    private static void FlipByte(string path, int at)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[at] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    private sealed record Position(int Epoch, long Step);
}
