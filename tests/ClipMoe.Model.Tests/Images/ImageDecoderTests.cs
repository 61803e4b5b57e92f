using ClipMoe.Model.Images;

namespace ClipMoe.Model.Tests.Images;

public sealed class ImageDecoderTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(37, 23)]
    [InlineData(5, 300)]
    public void What_the_PNG_encoder_writes_is_read_back(int width, int height)
    {
        var rgb = SampleImages.Noise(width * height * 3);
        var decoded = ImageDecoder.Decode(PngEncoder.Encode(rgb, width, height));
        Assert.Equal((PixelMode.Rgb, width, height), (decoded.Mode, decoded.Width, decoded.Height));
        Assert.Equal(rgb, decoded.Pixels);
    }

    [Fact]
    public void Modes_are_those_of_Pillow_not_those_of_libvips()
    {
        // libvips makes opacity of a transparent color, and colors of a palette.
        byte[] grey = [0, 1, 2, 3], trns = [0, 2], rgb = SampleImages.Noise(12);
        Assert.Equal(PixelMode.Gray, ModeOf(SampleImages.Png(2, 2, 8, 0, grey, ("tRNS", trns))));
        Assert.Equal(PixelMode.Rgb, ModeOf(SampleImages.Png(2, 2, 8, 2, rgb, ("tRNS", [0, 1, 0, 2, 0, 3]))));
        Assert.Equal(PixelMode.Palette, ModeOf(SampleImages.Png(2, 2, 8, 3, grey, ("PLTE", rgb), ("tRNS", [0]))));
        Assert.Equal(PixelMode.Bilevel, ModeOf(SampleImages.Png(2, 2, 1, 0, [0x40, 0x80])));
        Assert.Equal(PixelMode.GrayAlpha, ModeOf(SampleImages.Png(2, 2, 8, 4, SampleImages.Noise(8))));
        Assert.Equal(PixelMode.Rgba, ModeOf(SampleImages.Png(2, 2, 8, 6, SampleImages.Noise(16))));
        Assert.Equal(PixelMode.Gray16, ModeOf(SampleImages.Png(2, 2, 16, 0, SampleImages.Noise(8))));
    }

    [Fact]
    public void Sixteen_bit_grey_is_clipped_and_sixteen_bit_colour_loses_its_low_byte()
    {
        Assert.Equal([0, 0, 0, 200, 200, 200, 255, 255, 255],
            ImageDecoder.Decode(SampleImages.Png(3, 1, 16, 0, [0, 0, 0, 200, 1, 0])).Pixels);
        Assert.Equal([1, 3, 5], ImageDecoder.Decode(SampleImages.Png(1, 1, 16, 2, [1, 255, 3, 255, 5, 255])).Pixels);
    }

    [Fact]
    public void Opacity_is_dropped_not_blended()
    {
        Assert.Equal([10, 20, 30], ImageDecoder.Decode(SampleImages.Png(1, 1, 8, 6, [10, 20, 30, 0])).Pixels);
    }

    [Fact]
    public void A_transparent_GIF_pixel_has_its_palettes_colour_and_so_has_what_lies_around_the_frame()
    {
        byte[] palette = [9, 8, 7, 200, 0, 0, 0, 200, 0, 0, 0, 200];
        var gif = ImageDecoder.Decode(SampleImages.Gif(palette, [1, 2, 3, 2], 2, 2, left: 1, top: 1, transparent: 3));
        Assert.Equal((PixelMode.Palette, 3, 3), (gif.Mode, gif.Width, gif.Height));
        byte[] red = [200, 0, 0], green = [0, 200, 0], blue = [0, 0, 200];
        Assert.Equal([.. blue, .. blue, .. blue, .. blue, .. red, .. green, .. blue, .. blue, .. green], gif.Pixels);
    }

    [Fact]
    public void Long_GIF_rows_of_a_gray_ramp_are_gray()
    {
        var palette = Enumerable.Range(0, 256 * 3).Select(i => (byte)(i / 3)).ToArray();
        var indices = SampleImages.Noise(300 * 20);
        var gif = ImageDecoder.Decode(SampleImages.Gif(palette, indices, 300, 20));
        Assert.Equal(PixelMode.Gray, gif.Mode);
        Assert.Equal(indices.SelectMany(i => (byte[])[i, i, i]), gif.Pixels);
    }

    [Fact]
    public void Bitmaps_are_stored_bottom_up_blue_first()
    {
        byte[] bottom = [1, 2, 3, 4, 5, 6, 0, 0], top = [7, 8, 9, 10, 11, 12, 0, 0];
        byte[] upright = [9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4];
        Assert.Equal(upright, ImageDecoder.Decode(SampleImages.Bmp(2, 2, 24, [], [.. bottom, .. top])).Pixels);
        Assert.Equal(upright, ImageDecoder.Decode(SampleImages.Bmp(2, -2, 24, [], [.. top, .. bottom])).Pixels);
    }

    [Fact]
    public void Bitmaps_with_few_bits_have_a_palette()
    {
        byte[] palette = [30, 20, 10, 0, 60, 50, 40, 0];
        var bmp = ImageDecoder.Decode(SampleImages.Bmp(3, 1, 1, palette, [0b0100_0000, 0, 0, 0]));
        Assert.Equal(PixelMode.Palette, bmp.Mode);
        Assert.Equal([10, 20, 30, 40, 50, 60, 10, 20, 30], bmp.Pixels);
    }

    [Fact]
    public void Threads_do_not_disturb_each_other()
    {
        byte[][] files =
        [
            SampleImages.Jpeg(301, 200), SampleImages.WebP(200, 301), SampleImages.Tiff(64, 64), SampleImages.Png(3, 1, 8, 0, [1, 2, 3]),
            SampleImages.Jpeg(301, 200)[..20_000],
        ];
        var preprocessor = new ImagePreprocessor(48, ConversionOrder.AsIs);
        var expected = files.Select(f => Outcome(preprocessor, f)).ToList();
        Assert.StartsWith("the image is cut short", expected[^1]);
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            Assert.Equal(expected[i % files.Length], Outcome(preprocessor, files[i % files.Length])));
    }

    private static string Outcome(ImagePreprocessor preprocessor, byte[] file)
    {
        var chw = new byte[preprocessor.ResultLength];
        try
        {
            preprocessor.Process(file, chw);
        }
        catch (UserErrorException e)
        {
            return e.Message;
        }

        return Convert.ToHexString(chw);
    }

    private static PixelMode ModeOf(byte[] file) => ImageDecoder.Inspect(file).Mode;
}
