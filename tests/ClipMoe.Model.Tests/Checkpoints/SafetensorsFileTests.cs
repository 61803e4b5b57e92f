using System.Text;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Tests.Checkpoints;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Reads_names_shapes_metadata_and_values_in_file_order()
    {
        Write("""
            {"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}, "__metadata__":{"k":"v"},
            "a":{"dtype":"F16","shape":[1,2],"data_offsets":[8,12]}}
            """,
            [0, 0, 128, 63, 0, 0, 0, 192, 0, 60, 0, 192]);
        using var file = TensorFile.Open(_path);
        Assert.Equal([new TensorInfo("b", TensorType.F32, [2]), new TensorInfo("a", TensorType.F16, [1, 2])], file.Tensors);
        Assert.Equal("v", file.Metadata["k"]);
        Assert.Equal([1f, -2f], file.ReadFloats("b"));
        Assert.Equal([1f, -2f], file.ReadFloats("a"));
        var second = new float[1];
        file.ReadFloats("a", second, 1);
        Assert.Equal(-2f, second[0]);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""", "no valid JSON")]
    [InlineData("""[1]""", "no JSON object")]
    [InlineData("""{"a":3}""", "has no description")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "does not fit its offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "does not fit its offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", "lacks dtype, shape or data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "negative, too large or superfluous")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "negative, too large or superfluous")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}}""", "does not fit its offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", "does not fit its offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}""", "negative, too large or superfluous")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}""", "has the type F8_E4M3")]
    [InlineData("""{"a":{"dtype":"3","shape":[8],"data_offsets":[0,8]}}""", "has the type 3")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "begins at byte 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "its tensors need 4 bytes, but 8 follow")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "its tensors need 16 bytes, but 8 follow")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""",
        "instead of 8")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""",
        "\"a\" twice")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "unknown or repeated field \"dtype\"")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}""", "unknown or repeated field \"x\"")]
    [InlineData("""{"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", "no valid JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":1}}""", "\"k\" is no string")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":[]}""", "__metadata__ is no object")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} {}""", "no valid JSON")]
    [InlineData("""{"a":[[[[[[[[[[[[]]]]]]]]]]]]}""", "no description")]
    public void Refuses_a_header_that_breaks_the_format(string header, string why)
    {
        Write(header, new byte[8]);
        var error = Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(_path));
        Assert.Contains(why, error.Message);
        Assert.Contains(_path, error.Message);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 62)]
    [InlineData(100_000_001UL)]
    [InlineData(3UL)]
    public void Refuses_a_header_length_that_the_file_cannot_have(ulong length)
    {
        File.WriteAllBytes(_path, [.. BitConverter.GetBytes(length), (byte)'{', (byte)'}']);
        Assert.Contains("its header claims", Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(_path)).Message);
    }

    [Fact]
    public void A_missing_file_is_a_sentence() =>
        Assert.Equal("/no/such/file does not exist.", Assert.Throws<UserErrorException>(() => TensorFile.Open("/no/such/file")).Message);

    private void Write(string header, byte[] data) =>
        File.WriteAllBytes(_path, [.. BitConverter.GetBytes((ulong)Encoding.UTF8.GetByteCount(header)), .. Encoding.UTF8.GetBytes(header),
            .. data]);
}
