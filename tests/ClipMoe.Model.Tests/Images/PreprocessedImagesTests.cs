using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Images;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Images;

public sealed class PreprocessedImagesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;
    private readonly ImagePreprocessor _preprocessor = new(20, ConversionOrder.AsIs);

    private string Output => Path.Combine(_folder, "out", "pixels.safetensors");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_image_becomes_a_tensor_of_its_name()
    {
        string[] images = [Save("a.jpg", SampleImages.Jpeg(60, 40)), Save("b.png", SampleImages.Png(3, 1, 8, 0, [1, 2, 3]))];

        Assert.Empty(PreprocessedImages.Write(images, _preprocessor, Output, skipBad: false, CancellationToken.None));

        using var file = TensorFile.Open(Output);
        Assert.Equal(["u8/a.jpg", "u8/b.png"], file.Tensors.Select(t => t.Name));
        foreach (var image in images)
        {
            var expected = new byte[_preprocessor.ResultLength];
            _preprocessor.Process(File.ReadAllBytes(image), expected);
            var name = $"u8/{Path.GetFileName(image)}";
            Assert.Equal(new TensorInfo(name, TensorType.U8, [3, 20, 20]), file.Get(name));
            Assert.Equal(expected, file.ReadBytes(name));
        }
    }

    [Fact]
    public void Bad_images_are_all_named_and_nothing_is_written()
    {
        string[] images = [Save("a.png", [1, 2]), Save("b.jpg", SampleImages.Jpeg(60, 40)), Path.Combine(_folder, "missing.png")];

        var bad = PreprocessedImages.Write(images, _preprocessor, Output, skipBad: false, CancellationToken.None);

        Assert.Equal([images[0], images[2]], bad.Select(b => b.Path));
        Assert.All(bad, b => Assert.StartsWith(b.Path, b.Reason));
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(Output)!));
    }

    [Fact]
    public void Bad_images_are_left_out_on_demand()
    {
        string[] images = [Save("a.png", [1, 2]), Save("b.jpg", SampleImages.Jpeg(60, 40)), Save("c.png", [])];

        var bad = PreprocessedImages.Write(images, _preprocessor, Output, skipBad: true, CancellationToken.None);

        Assert.Equal([images[0], images[2]], bad.Select(b => b.Path));
        using var file = TensorFile.Open(Output);
        Assert.Equal(["u8/b.jpg"], file.Tensors.Select(t => t.Name));
        Assert.Equal(3, PreprocessedImages.Write([.. images[..1], images[2], Save("d", [])], _preprocessor, Output, true, default).Count);
    }

    [Fact]
    public void Two_files_of_one_name_are_refused()
    {
        string[] images = [Save("a.png", SampleImages.Png(1, 1, 8, 0, [1])), Save("other/a.png", SampleImages.Png(1, 1, 8, 0, [1]))];
        var error = Assert.Throws<UserErrorException>(
            () => PreprocessedImages.Write(images, _preprocessor, Output, false, CancellationToken.None));
        Assert.StartsWith($"{images[0]} and {images[1]} have the same name", error.Message);
    }

    [Fact]
    public void A_stopped_run_leaves_nothing_behind()
    {
        string[] images = [Save("a.jpg", SampleImages.Jpeg(60, 40))];
        Assert.Throws<OperationCanceledException>(() =>
            PreprocessedImages.Write(images, _preprocessor, Output, false, new CancellationToken(canceled: true)));
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(Output)!));
    }

    private string Save(string name, byte[] file)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, file);
        return path;
    }
}
