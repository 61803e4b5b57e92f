using NetVips;

namespace ClipMoe.Model.Images;

/// <summary>Rows decoded by libvips, strip by strip, so that a large photo is never whole in memory.</summary>
internal sealed unsafe class VipsRows : ImageRows
{
    private readonly Image _image;
    private readonly Region _region;
    private readonly byte[] _file;
    private readonly string _name;
    private nint _strip;

    private VipsRows(ImageFormat format, PixelLayout layout, Image image, byte[] file, string name)
        : base(format, layout, image.Width, image.Height)
    {
        (_image, _file, _name) = (image, file, name);
        _region = Region.New(image);
    }

    public static VipsRows Open(ImageFormat format, byte[] file, string name, long maxPixels)
    {
        Image? image = null;
        try
        {
            image = LibVips.Open(format, file);
            ImageDecoder.CheckSize(name, image.Width, image.Height, maxPixels);
            return new VipsRows(format, LayoutOf(format, file, image, name), image, file, name);
        }
        catch (Exception e)
        {
            image?.Dispose();
            if (e is VipsException) throw ImageErrors.Damaged(name, format, file, e);
            throw;
        }
    }

    public override ReadOnlySpan<byte> Read(int top, int count)
    {
        FreeStrip();
        try
        {
            _strip = LibVips.Fetch(_region, top, Width, count);
            return new ReadOnlySpan<byte>((void*)_strip, checked(count * RowBytes));
        }
        catch (VipsException e)
        {
            throw ImageErrors.Damaged(_name, Format, _file, e);
        }
    }

    public override void Dispose()
    {
        FreeStrip();
        _region.Dispose();
        _image.Dispose();
    }

    private void FreeStrip()
    {
        NetVips.NetVips.Free(_strip);
        _strip = 0;
    }

    private static PixelLayout LayoutOf(ImageFormat format, byte[] file, Image image, string name)
    {
        var sampleBytes = image.Format switch
        {
            Enums.BandFormat.Uchar => 1,
            Enums.BandFormat.Ushort => 2,
            _ => throw ImageErrors.Unsupported(name, format, $"samples of type {image.Format}"),
        };
        var mode = format switch
        {
            ImageFormat.Png => PngHeader.ModeOf(file),
            ImageFormat.Tiff => TiffHeader.ModeOf(file, name),
            _ => image.Bands switch
            {
                1 => PixelMode.Gray,
                3 => PixelMode.Rgb,
                4 => format == ImageFormat.Jpeg ? PixelMode.Cmyk : PixelMode.Rgba,
                _ => throw ImageErrors.Unsupported(name, format, $"{image.Bands} samples per pixel"),
            },
        };
        return image.Bands >= PixelConversion.MinSamples(mode) ? new PixelLayout(mode, image.Bands * sampleBytes, sampleBytes)
            : throw ImageErrors.Damaged(name, format, file);
    }
}
