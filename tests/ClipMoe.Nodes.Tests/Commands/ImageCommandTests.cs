using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Images;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Nodes.Tests.Commands;

/// <summary><c>clipmoe preprocess</c> and <c>clipmoe bench images</c>.</summary>
public sealed class ImageCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Output => Path.Combine(_folder.Path, "pixels.safetensors");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("as-is", ConversionOrder.AsIs)]
    [InlineData("rgb-first", ConversionOrder.RgbFirst)]
    public void Images_become_tensors(string order, ConversionOrder conversion)
    {
        var (first, second) = (Picture("one.png", 50, 30), Picture("two.png", 20, 70));

        var outcome = Cli.Run("preprocess", "--size", "24", "--order", order, "--out", Output, first, second);

        Assert.Equal((0, "", $"2 images in {Output}\n"), (outcome.ExitCode, outcome.Error, outcome.Output));
        var expected = new byte[3 * 24 * 24];
        new ImagePreprocessor(24, conversion).Process(File.ReadAllBytes(second), expected);
        using var file = TensorFile.Open(Output);
        Assert.Equal(["u8/one.png", "u8/two.png"], file.Tensors.Select(t => t.Name));
        Assert.Equal(expected, file.ReadBytes("u8/two.png"));
    }

    [Fact]
    public void Bad_images_are_named_with_exit_code_2_or_skipped()
    {
        var (good, cut) = (Picture("good.png", 50, 30), Picture("cut.png", 50, 30));
        File.WriteAllBytes(cut, File.ReadAllBytes(cut)[..80]);

        var refused = Cli.Run("preprocess", "--size", "24", "--out", Output, good, cut);
        Assert.Equal((2, ""), (refused.ExitCode, refused.Output));
        Assert.Matches($"^clipmoe: {cut} is cut short[^\n]*\\.\n$", refused.Error);
        Assert.False(File.Exists(Output));

        var skipped = Cli.Run("preprocess", "--size", "24", "--skip-bad", "--out", Output, good, cut);
        Assert.Equal((0, refused.Error, $"1 images in {Output}, 1 skipped\n"), (skipped.ExitCode, skipped.Error, skipped.Output));
    }

    [Fact]
    public void Wrong_arguments_have_exit_code_2()
    {
        var picture = Picture("one.png", 5, 5);
        Assert.Equal(2, Cli.Run("preprocess", "--size", "0", "--out", Output, picture).ExitCode);
        Assert.Equal(2, Cli.Run("preprocess", "--size", "24", "--order", "bgr", "--out", Output, picture).ExitCode);
        Assert.Equal(2, Cli.Run("preprocess", "--size", "24", "--out", Output).ExitCode);
        Assert.Equal(2, Cli.Run("preprocess", "--size", "24", "--out", Output, picture, picture).ExitCode);
    }

    [Fact]
    public void The_benchmark_reports_a_speed()
    {
        var outcome = Cli.Run("bench", "images", "--seconds", "0.1", "--size", "32", "--json");

        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        using var figures = JsonDocument.Parse(outcome.Output);
        Assert.Equal(640 * 480, figures.RootElement.GetProperty("mean_pixels").GetDouble());
        Assert.True(figures.RootElement.GetProperty("images_per_second_per_thread").GetDouble() > 0);
    }

    private string Picture(string name, int width, int height)
    {
        var rgb = new byte[width * height * 3];
        new Random(7).NextBytes(rgb);
        var path = Path.Combine(_folder.Path, name);
        File.WriteAllBytes(path, PngEncoder.Encode(rgb, width, height));
        return path;
    }
}
