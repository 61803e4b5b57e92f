using System.Buffers;

namespace ClipMoe.Model.Images;

/// <summary>
/// From an image file to the model's input, as the reference's <c>_transform</c> up to <c>ToTensor</c>: decode, resize the shorter side to
/// <paramref name="size"/>, crop the center, RGB. Exact for PNG and lossless WebP. May be used by several threads at once.
/// </summary>
/// <param name="size">Side of the square result, in pixels.</param>
/// <param name="conversion">Whether an image becomes RGB before or after it is resized.</param>
/// <param name="maxPixels">Images claiming more pixels (width × height) are refused before they are decoded.</param>
public sealed class ImagePreprocessor(int size, ConversionOrder conversion, long maxPixels = ImageDecoder.MaxPixels)
{
    /// <summary>Larger sides are surely mistakes; a model has a few hundred pixels.</summary>
    public const int MaxSize = 8192;

    /// <summary>Side of the square result, in pixels.</summary>
    public int Size { get; } = size is > 0 and <= MaxSize ? size
        : throw new ArgumentOutOfRangeException(nameof(size), size, $"not 1 … {MaxSize}");

    /// <summary>Whether an image becomes RGB before or after it is resized.</summary>
    public ConversionOrder Conversion => conversion;

    /// <summary>Bytes of one result: 3 · size².</summary>
    public int ResultLength => 3 * Size * Size;

    /// <summary>Decodes and preprocesses one image.</summary>
    /// <param name="file">The file's bytes.</param>
    /// <param name="chw">Receives [3, size, size]: red, green and blue plane, 0 … 255. Undefined after an error.</param>
    /// <param name="name">Names the image in errors.</param>
    /// <exception cref="UserErrorException">Not an image of a format that is read, damaged, cut short, or too large.</exception>
    public void Process(ReadOnlyMemory<byte> file, Span<byte> chw, string name = "the image")
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(chw.Length, ResultLength);
        using var rows = ImageDecoder.Open(file, name, maxPixels);
        var geometry = ResizeGeometry.Create(rows.Width, rows.Height, Size, maxPixels, name);
        var resized = (geometry.Width, geometry.Height) != (rows.Width, rows.Height);
        var treatment = PixelConversion.TreatmentOf(rows.Layout.Mode, conversion, resized);
        using var resampler = PillowResampler.For(treatment, rows.Width, rows.Height, geometry);
        var source = ArrayPool<uint>.Shared.Rent(rows.Width + BicubicTaps.GroupSize);
        var result = ArrayPool<uint>.Shared.Rent(Size);
        try
        {
            Resample(rows, treatment, resampler, source.AsSpan(0, rows.Width + BicubicTaps.GroupSize), result.AsSpan(0, Size), chw);
        }
        finally
        {
            ArrayPool<uint>.Shared.Return(source);
            ArrayPool<uint>.Shared.Return(result);
        }
    }

    /// <summary>Decodes to the last row even where the crop does not need it, so that a file that is cut short is always noticed.</summary>
    private void Resample(
        ImageRows rows, PixelTreatment treatment, PillowResampler resampler, Span<uint> source, Span<uint> result, Span<byte> chw)
    {
        var (planeLength, written) = (Size * Size, 0);
        for (var top = 0; top < rows.Height; top += rows.RowsPerStrip)
        {
            var count = Math.Min(rows.RowsPerStrip, rows.Height - top);
            var strip = rows.Read(top, count);
            for (var y = 0; y < count; y++)
            {
                if (!resampler.Wants(top + y)) continue;
                PixelConversion.Expand(strip.Slice(y * rows.RowBytes, rows.RowBytes), rows.Layout, treatment, source[..rows.Width]);
                resampler.Push(source);
                while (resampler.TryPop(result))
                {
                    PixelConversion.ToRgb(result, treatment);
                    PixelConversion.ToPlanes(result, chw[written..], chw[(planeLength + written)..], chw[(2 * planeLength + written)..]);
                    written += Size;
                }
            }
        }
    }
}
