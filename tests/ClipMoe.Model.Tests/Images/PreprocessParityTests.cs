using System.Security.Cryptography;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Images;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Tensors;
using TorchSharp;
using Xunit.Abstractions;

namespace ClipMoe.Model.Tests.Images;

[Collection(TorchCollection.Name)]
[Trait("Category", "Parity")]
public sealed class PreprocessParityTests(ITestOutputHelper output)
{
    [FixtureFact(PreprocessFixture.Index)]
    public void Headers_tell_sizes_and_Pillows_modes()
    {
        foreach (var image in PreprocessFixture.Images())
        {
            var info = ImageDecoder.Inspect(image.Bytes, image.File);
            Assert.Equal((image.File, image.Width, image.Height), (image.File, info.Width, info.Height));
            Assert.True(PillowNames(info.Mode).Contains(image.Mode), $"{image.File} is {image.Mode} to Pillow, {info.Mode} to us");
        }
    }

    [FixtureFact(PreprocessFixture.Index)]
    public void Lossless_files_decode_to_the_same_bytes()
    {
        var lossless = PreprocessFixture.Images().Where(i => !i.IsLossy).ToList();
        Assert.NotEmpty(lossless);
        foreach (var image in lossless)
        {
            var decoded = ImageDecoder.Decode(image.Bytes, image.File);
            Assert.Equal((image.File, image.RgbSha256), (image.File, Convert.ToHexStringLower(SHA256.HashData(decoded.Pixels))));
        }
    }

    [FixtureFact(PreprocessFixture.Index, PreprocessFixture.Pixels)]
    public void Pixels_are_the_references()
    {
        using var expected = TensorFile.Open(Fixtures.Path(PreprocessFixture.Pixels));
        var images = PreprocessFixture.Images().ToDictionary(i => i.File);
        var compared = 0;
        foreach (var tensor in expected.Tensors)
        {
            if (tensor.Name.Split('/', 3) is not [var order, var size, var file]) continue;
            var conversion = order == "rgbfirst" ? ConversionOrder.RgbFirst : ConversionOrder.AsIs;
            var preprocessor = new ImagePreprocessor(int.Parse(size), conversion);
            var actual = new byte[preprocessor.ResultLength];
            preprocessor.Process(images[file].Bytes, actual, file);
            var worst = LargestDifference(expected.ReadBytes(tensor.Name), actual);
            if (worst > 0) output.WriteLine($"{tensor.Name}: {worst}");
            Assert.True(worst <= (images[file].IsLossy ? PreprocessFixture.LossyTolerance : 0), $"{tensor.Name} is off by {worst} levels");
            compared++;
        }

        Assert.True(compared >= images.Count);
    }

    [FixtureFact(PreprocessFixture.Pixels, PreprocessFixture.Floats)]
    public void Floats_are_an_exact_function_of_pixels()
    {
        using var pixels = TensorFile.Open(Fixtures.Path(PreprocessFixture.Pixels));
        using var floats = TensorFile.Open(Fixtures.Path(PreprocessFixture.Floats));
        var compared = 0;
        foreach (var tensor in floats.Tensors)
        {
            if (!pixels.TryGet(tensor.Name, out var info)) continue;
            // One patch as large as the image is the image.
            var side = (int)info.Shape[^1];
            var onePatch = ClipConfig.Named("tiny") with { ImageResolution = side, PatchSize = side };
            using var actual = PixelBatch.FromLevels(pixels.ReadBytes(tensor.Name)).ToPatches(1, onePatch, torch.CPU);
            Assert.True(floats.ReadFloats(tensor.Name).AsSpan().SequenceEqual(HostTensor.Read(actual)), tensor.Name);
            compared++;
        }

        Assert.NotEqual(0, compared);
    }

    private static int LargestDifference(byte[] expected, byte[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        return expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
    }

    /// <summary>Some modes have several names: 16-bit gray by the file's format, and 16-bit gray with opacity becomes RGBA.</summary>
    private static string[] PillowNames(PixelMode mode) => mode switch
    {
        PixelMode.Bilevel => ["1"],
        PixelMode.Palette => ["P"],
        PixelMode.Gray => ["L"],
        PixelMode.Gray16 => ["I", "I;16", "I;16B"],
        PixelMode.GrayAlpha => ["LA", "RGBA"],
        _ => [mode.ToString().ToUpperInvariant()],
    };
}
