using System.Buffers.Binary;
using ClipMoe.Model.Images;

namespace ClipMoe.Model.Tests.Images;

public sealed class HostileImageTests
{
    private static readonly byte[] Palette = [9, 8, 7, 200, 0, 0, 0, 200, 0, 0, 0, 200];

    [Fact]
    public void Files_that_claim_too_many_pixels_are_refused_before_they_are_decoded()
    {
        var png = SampleImages.Png(100_000, 100_000, 8, 2, []);
        Assert.Contains("claims 100000 × 100000 pixels", Refusal(png));
        Assert.Contains("claims 65535 × 65535 pixels", Refusal(SampleImages.Gif(Palette, [0], 1, 1, left: 65534, top: 65534)));
        Assert.Contains("claims 2147483647 × 2147483647 pixels", Refusal(SampleImages.Bmp(int.MaxValue, int.MaxValue, 24, [], [])));

        var chw = new byte[3 * 8 * 8];
        var jpeg = SampleImages.Jpeg(40, 30);
        new ImagePreprocessor(8, ConversionOrder.AsIs, maxPixels: 1200).Process(jpeg, chw);
        var strict = new ImagePreprocessor(8, ConversionOrder.AsIs, maxPixels: 1199);
        var error = Assert.Throws<UserErrorException>(() => strict.Process(jpeg, chw, "big.jpg"));
        Assert.StartsWith("big.jpg claims 40 × 30 pixels, more than the 1199", error.Message);
    }

    [Fact]
    public void Images_that_would_become_too_long_are_refused()
    {
        Assert.Contains("too long and thin", Refusal(SampleImages.Png(1_000_000, 1, 8, 0, SampleImages.Noise(1_000_000))));
    }

    [Fact]
    public void Every_format_cut_short_is_refused()
    {
        foreach (var file in Whole())
        {
            foreach (var length in new[] { file.Length / 2, file.Length / 4, 30, 14, 12 })
                Assert.True(Refusal(file[..Math.Min(length, file.Length - 1)]).Length > 0);
        }

        Assert.Contains("is cut short: the end of the JPEG file is missing", Refusal(SampleImages.Jpeg(200, 300)[..^400]));
        var png = SampleImages.Png(60, 60, 8, 2, SampleImages.Noise(10_800));
        Assert.Contains("is cut short: the end of the PNG file is missing", Refusal(png[..8000]));
    }

    [Fact]
    public void A_missing_end_that_the_crop_would_not_show_is_noticed()
    {
        // Only the upper two thirds of a tall picture contribute to the crop.
        var file = SampleImages.Jpeg(60, 600);
        Assert.Contains("is cut short", Refusal(file[..(file.Length * 9 / 10)]));
    }

    [Fact]
    public void What_is_no_image_is_refused_by_what_is_in_it()
    {
        Assert.Equal("the image is empty; copy it again or leave it out.", Refusal([]));
        string[] others =
            ["a caption, renamed to .jpg", "<svg xmlns='http://www.w3.org/2000/svg'/>", "%PDF-1.4", "P6 1 1 255 abc", "\0\0\0\0"];
        foreach (var text in others)
            Assert.Contains("is no JPEG, PNG, WebP, GIF, BMP or TIFF image", Refusal([.. text.Select(c => (byte)c)]));
        Assert.Contains("damaged JPEG", Refusal([0xFF, 0xD8, 0xFF, 0xD9]));
    }

    [Fact]
    public void A_GIF_without_frames_is_refused()
    {
        Assert.Contains("GIF file without a picture", Refusal([.. "GIF89a"u8, 4, 0, 4, 0, 0x80, 0, 0, 1, 2, 3, 4, 5, 6, 0x3B]));
        Assert.Contains("damaged GIF", Refusal(SampleImages.Gif(Palette, [], 0, 0)));
    }

    [Fact]
    public void A_PNG_whose_checksum_is_wrong_is_refused()
    {
        var file = SampleImages.Png(60, 60, 8, 2, SampleImages.Noise(10_800));
        file[file.Length - 14] ^= 1;
        Assert.Contains("damaged PNG", Refusal(file));
    }

    [Fact]
    public void Unusual_kinds_are_refused_by_name()
    {
        var compressed = SampleImages.Bmp(2, 2, 8, new byte[1024], new byte[8]);
        compressed[30] = 1;
        Assert.Contains("BMP file with compressed rows", Refusal(compressed));
        var header = SampleImages.Bmp(2, 2, 24, [], new byte[16]);
        header[14] = 41;
        Assert.Contains("BMP file with an unknown header", Refusal(header));
        Assert.Contains("TIFF file with samples of type Float", Refusal(FloatTiff()));
    }

    /// <summary>Whatever is in a file, the outcome is a picture or a sentence.</summary>
    [Fact]
    public void Altered_bytes_never_do_worse_than_a_refusal()
    {
        var preprocessor = new ImagePreprocessor(16, ConversionOrder.AsIs, maxPixels: 1_000_000);
        var chw = new byte[preprocessor.ResultLength];
        var random = new Random(5);
        var refused = 0;
        foreach (var whole in Whole())
        {
            for (var round = 0; round < 60; round++)
            {
                var file = whole.ToArray();
                var reach = round % 2 == 0 ? Math.Min(64, file.Length) : file.Length;
                for (var i = 0; i <= round % 4; i++) file[random.Next(reach)] = (byte)random.Next(256);
                try
                {
                    preprocessor.Process(file, chw);
                }
                catch (UserErrorException)
                {
                    refused++;
                }
            }
        }

        Assert.InRange(refused, 20, 60 * Whole().Count() - 20);
    }

    private static IEnumerable<byte[]> Whole() =>
    [
        SampleImages.Jpeg(90, 70), SampleImages.WebP(50, 60), SampleImages.Tiff(50, 60), SampleImages.Png(60, 50, 8, 2,
            SampleImages.Noise(9000)),
        SampleImages.Png(60, 50, 8, 3, [.. SampleImages.Noise(3000).Select(v => (byte)(v & 3))], ("PLTE", Palette)),
        SampleImages.Gif(Palette, [.. SampleImages.Noise(3000).Select(v => (byte)(v & 3))], 60, 50),
        SampleImages.Bmp(50, 40, 24, [], SampleImages.Noise(152 * 40)),
        SampleImages.Bmp(48, 40, 8, SampleImages.Noise(1024), SampleImages.Noise(48 * 40)),
    ];

    /// <summary>A little-endian TIFF of one 32-bit floating-point pixel.</summary>
    private static byte[] FloatTiff()
    {
        (int Tag, int Type, int Value)[] tags =
            [(256, 3, 1), (257, 3, 1), (258, 3, 32), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 1), (279, 4, 4),
                (339, 3, 3)];
        var file = new byte[12 + 2 + 12 * tags.Length + 4];
        "II*\0"u8.CopyTo(file);
        file[4] = 12;
        file[12] = (byte)tags.Length;
        for (var i = 0; i < tags.Length; i++)
        {
            var entry = file.AsSpan(14 + 12 * i);
            BinaryPrimitives.WriteInt16LittleEndian(entry, (short)tags[i].Tag);
            BinaryPrimitives.WriteInt16LittleEndian(entry[2..], (short)tags[i].Type);
            BinaryPrimitives.WriteInt32LittleEndian(entry[4..], 1);
            BinaryPrimitives.WriteInt32LittleEndian(entry[8..], tags[i].Value);
        }

        return file;
    }

    private static string Refusal(byte[] file)
    {
        var preprocessor = new ImagePreprocessor(32, ConversionOrder.AsIs);
        return Assert.Throws<UserErrorException>(() => preprocessor.Process(file, new byte[preprocessor.ResultLength])).Message;
    }
}
