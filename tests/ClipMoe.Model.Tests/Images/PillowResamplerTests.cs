using ClipMoe.Model.Images;

namespace ClipMoe.Model.Tests.Images;

public sealed class PillowResamplerTests
{
    [Theory]
    [InlineData(640, 299)]
    [InlineData(3000, 336)]
    [InlineData(16, 224)]
    [InlineData(225, 224)]
    [InlineData(1, 7)]
    public void Vector_and_scalar_code_give_the_same_bytes(int sourceSize, int resultSize)
    {
        var random = new Random(sourceSize);
        var taps = BicubicTaps.For(sourceSize, resultSize, 0, resultSize);
        foreach (var contrast in new[] { false, true })
        {
            // Black against white drives the sums over both ends of a byte.
            var row = Pixels(random, sourceSize + BicubicTaps.GroupSize, contrast);
            uint[] vector = new uint[resultSize], scalar = new uint[resultSize];
            ByteKernel.Horizontal(row, taps, vector);
            ByteKernel.HorizontalScalar(row, taps, scalar);
            Assert.Equal(scalar, vector);

            foreach (var width in new[] { 1, 3, 4, 30, 33 })
            {
                var rows = Pixels(random, sourceSize * width, contrast);
                uint[] vectorRow = new uint[width], scalarRow = new uint[width];
                foreach (var output in new[] { 0, resultSize / 2, resultSize - 1 })
                {
                    var contributing = rows.AsSpan(taps.Starts[output] * width, taps.Lengths[output] * width);
                    ByteKernel.Vertical(contributing, taps, output, vectorRow);
                    ByteKernel.VerticalScalar(contributing, taps, output, scalarRow);
                    Assert.Equal(scalarRow, vectorRow);
                }
            }
        }
    }

    [Fact]
    public void Coefficients_are_Pillows()
    {
        // Enlarging 2 → 4: the second output lies at 0.25 of the source, between its pixels' centers at −0.5 … 2.
        var taps = BicubicTaps.For(2, 4, 0, 4);
        Assert.Equal((0, 2), (taps.Starts[1], taps.Lengths[1]));
        var (near, far) = (1 - 2.5 * 0.0625 + 1.5 * 0.015625, 1 - 2.5 * 0.5625 + 1.5 * 0.421875);
        Assert.Equal(near / (near + far), taps.Exact[taps.Stride], 1e-15);
        Assert.Equal((int)(0.5 + near / (near + far) * (1 << 22)), taps.Fixed[taps.Stride]);
    }

    [Fact]
    public void An_unchanged_size_is_an_identity()
    {
        var taps = BicubicTaps.For(50, 50, 0, 50);
        var row = Pixels(new Random(1), 50 + BicubicTaps.GroupSize, contrast: false);
        var result = new uint[50];
        ByteKernel.Horizontal(row, taps, result);
        Assert.Equal(row[..50], result);
    }

    /// <summary>torchvision's numbers: int(size · longer / shorter), and margins with halves rounded to even.</summary>
    [Theory]
    [InlineData(640, 480, 224, 298, 224, 37, 0)]
    [InlineData(480, 640, 224, 224, 298, 0, 37)]
    [InlineData(500, 375, 224, 298, 224, 37, 0)]
    [InlineData(333, 500, 224, 224, 336, 0, 56)]
    [InlineData(227, 224, 224, 227, 224, 2, 0)]
    [InlineData(229, 224, 224, 229, 224, 2, 0)]
    [InlineData(20, 300, 224, 224, 3360, 0, 1568)]
    public void Geometry_is_torchvisions(int width, int height, int size, int resizedWidth, int resizedHeight, int left, int top)
    {
        Assert.Equal(
            new ResizeGeometry(size, resizedWidth, resizedHeight, left, top),
            ResizeGeometry.Create(width, height, size, ImageDecoder.MaxPixels, "image"));
    }

    [Fact]
    public void Palettes_are_resized_with_nearest_neighbour_unless_converted_first()
    {
        byte[] palette = [0, 0, 0, 250, 250, 250];
        byte[] indices = [.. Enumerable.Range(0, 40 * 40).Select(i => (byte)((i ^ (i / 40)) & 1))];
        var file = SampleImages.Png(40, 40, 8, 3, indices, ("PLTE", palette));
        Assert.All(Process(file, 16, ConversionOrder.AsIs), v => Assert.True(v is 0 or 250));
        Assert.Contains(Process(file, 16, ConversionOrder.RgbFirst), v => v is > 0 and < 250);
    }

    [Fact]
    public void Transparent_pixels_do_not_bleed_unless_converted_first()
    {
        // Opaque red beside transparent green.
        byte[] samples = [.. Enumerable.Range(0, 40 * 40).SelectMany(i => i % 40 < 20 ? (byte[])[200, 0, 0, 255] : [0, 200, 0, 0])];
        var file = SampleImages.Png(40, 40, 8, 6, samples);
        var (asIs, rgbFirst) = (Process(file, 15, ConversionOrder.AsIs), Process(file, 15, ConversionOrder.RgbFirst));
        Assert.All(asIs[225..450], green => Assert.Equal(0, green));
        Assert.Contains(rgbFirst[225..450], green => green > 0);
    }

    [Fact]
    public void Planes_are_red_green_blue()
    {
        byte[] samples = [.. Enumerable.Range(0, 100).SelectMany(_ => (byte[])[1, 2, 3])];
        var planes = Process(SampleImages.Png(10, 10, 8, 2, samples), 4, ConversionOrder.RgbFirst);
        Assert.Equal([.. Enumerable.Repeat((byte)1, 16), .. Enumerable.Repeat((byte)2, 16), .. Enumerable.Repeat((byte)3, 16)], planes);
    }

    private static byte[] Process(byte[] file, int size, ConversionOrder conversion)
    {
        var chw = new byte[3 * size * size];
        new ImagePreprocessor(size, conversion).Process(file, chw);
        return chw;
    }

    private static uint[] Pixels(Random random, int count, bool contrast)
    {
        var pixels = new uint[count];
        for (var i = 0; i < count; i++)
        {
            var bytes = new byte[4];
            random.NextBytes(bytes);
            if (contrast) bytes = [.. bytes.Select(b => b < 128 ? (byte)0 : (byte)255)];
            pixels[i] = BitConverter.ToUInt32(bytes);
        }

        return pixels;
    }
}
