using System.Security.Cryptography;
using ClipMoe.Model.Files;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Tests.Checkpoints;

/// <summary>The SHA-256 of its data that a safetensors file of ours carries.</summary>
public sealed class DataHashTests : IDisposable
{
    private static readonly IReadOnlyDictionary<string, string> Hashed =
        CheckpointMetadata.WithDataHash(new Dictionary<string, string> { ["a"] = "b" });

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Path => _folder.File("x.safetensors");

    /// <summary>Tensors of several types lie in another order in the file than they are written in.</summary>
    [Theory]
    [InlineData(TensorType.F32, TensorType.F32)]
    [InlineData(TensorType.F16, TensorType.F64)]
    public void It_is_that_of_all_bytes_behind_the_header_in_whatever_order_they_were_written(TensorType first, TensorType second)
    {
        Write(Hashed, first, second);
        var bytes = File.ReadAllBytes(Path);
        var data = bytes.AsSpan(8 + (int)BitConverter.ToUInt64(bytes));
        using var file = TensorFile.Open(Path);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(data)), file.Metadata[SafetensorsFile.DataHashKey]);
        Assert.Equal("b", file.Metadata["a"]);
        Assert.Equal(FileHash.Sha256(Path), TensorFile.Sha256(file));
        Assert.Equal(600, file.ReadFloats("one").Length);
    }

    [Fact]
    public void A_flipped_byte_is_found_by_the_first_reader_and_the_file_named()
    {
        Write(Hashed, TensorType.F32, TensorType.F16);
        FlipLastByte();
        foreach (var read in (Action<ITensorFile>[])[f => f.ReadFloats("one"), f => f.ReadBytes("two"), f => TensorFile.Sha256(f)])
        {
            using var file = TensorFile.Open(Path);
            Assert.StartsWith($"{Path} is damaged: its data is not what was written",
                Assert.Throws<UserErrorException>(() => read(file)).Message);
            Assert.Throws<UserErrorException>(() => file.ReadFloats("one"));
        }
    }

    [Fact]
    public void A_file_without_one_is_read_as_it_is()
    {
        Write(new Dictionary<string, string> { ["a"] = "b" }, TensorType.F32, TensorType.F32);
        FlipLastByte();
        using var file = TensorFile.Open(Path);
        Assert.Equal(600, file.ReadFloats("two").Length);
    }

    [Fact]
    public void An_archive_for_Python_carries_none()
    {
        using (var writer = TensorFile.Create(_folder.File("x.pt"), [new TensorInfo("one", TensorType.U8, [0])], Hashed)) writer.Commit();
        using var file = TensorFile.Open(_folder.File("x.pt"));
        Assert.Equal(["a"], file.Metadata.Keys);
    }

    private void Write(IReadOnlyDictionary<string, string> metadata, TensorType first, TensorType second)
    {
        TensorInfo[] tensors = [new("one", first, [20, 30]), new("two", second, [600]), new("empty", first, [0])];
        using var writer = new SafetensorsWriter(Path, tensors, metadata);
        float[] values = [.. Enumerable.Range(0, 600).Select(i => i / 8f)];
        writer.WriteFloats("one", values.AsSpan(0, 7));
        writer.WriteFloats("one", values.AsSpan(7));
        writer.WriteFloats("two", values);
        writer.Commit();
    }

    private void FlipLastByte()
    {
        var bytes = File.ReadAllBytes(Path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(Path, bytes);
    }
}
