using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ClipMoe.Model.Images;

/// <summary>What a row of pixels is while it is resized.</summary>
internal enum PixelTreatment
{
    /// <summary>Red, green, blue; bicubic.</summary>
    Rgb,

    /// <summary>Red, green, blue; nearest neighbor.</summary>
    Nearest,

    /// <summary>Red, green, blue times opacity, and opacity; bicubic.</summary>
    Premultiplied,

    /// <summary>Cyan, magenta, yellow, black; bicubic.</summary>
    Ink,

    /// <summary>One integer per pixel, not clipped; bicubic in fp64.</summary>
    Wide,
}

/// <summary>
/// Conversions of rows between the decoder's bytes and 32-bit pixels (four bytes, red first), with Pillow's roundings
/// (libImaging/Convert.c).
/// </summary>
internal static class PixelConversion
{
    /// <summary>How the reference treats an image of this mode.</summary>
    /// <param name="mode">The file's mode.</param>
    /// <param name="conversion">When it becomes RGB.</param>
    /// <param name="resized">False when the image has the wanted size already: Pillow then leaves even RGBA untouched.</param>
    public static PixelTreatment TreatmentOf(PixelMode mode, ConversionOrder conversion, bool resized) =>
        conversion == ConversionOrder.RgbFirst ? PixelTreatment.Rgb : mode switch
        {
            PixelMode.Bilevel or PixelMode.Palette => PixelTreatment.Nearest,
            PixelMode.GrayAlpha or PixelMode.Rgba => resized ? PixelTreatment.Premultiplied : PixelTreatment.Rgb,
            PixelMode.Cmyk => PixelTreatment.Ink,
            PixelMode.Gray16 => PixelTreatment.Wide,
            _ => PixelTreatment.Rgb,
        };

    /// <summary>Samples that a pixel of this mode needs; a palette's colors may come as one gray sample.</summary>
    public static int MinSamples(PixelMode mode) => mode switch
    {
        PixelMode.GrayAlpha => 2,
        PixelMode.Rgb => 3,
        PixelMode.Rgba or PixelMode.Cmyk => 4,
        _ => 1,
    };

    /// <summary>One row of the decoder's bytes as pixels.</summary>
    /// <param name="row">As many pixels as <paramref name="pixels"/> has.</param>
    /// <param name="layout">How <paramref name="row"/> lies.</param>
    /// <param name="treatment">Decides what the four bytes of a pixel mean; <see cref="PixelTreatment.Wide"/>: one integer.</param>
    /// <param name="pixels">Receives the row.</param>
    public static void Expand(ReadOnlySpan<byte> row, PixelLayout layout, PixelTreatment treatment, Span<uint> pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(row.Length, pixels.Length * layout.Stride);
        switch (layout.Mode)
        {
            case PixelMode.Gray16:
                var values = MemoryMarshal.Cast<byte, ushort>(row);
                var step = layout.Stride / sizeof(ushort);
                for (var x = 0; x < pixels.Length; x++)
                    pixels[x] = treatment == PixelTreatment.Wide ? values[x * step] : Gray(Math.Min(values[x * step], (ushort)255));
                break;
            case PixelMode.Cmyk:
                ExpandFour(row, layout, pixels);
                if (treatment == PixelTreatment.Rgb) InkToRgb(pixels);
                break;
            case PixelMode.Rgba:
                ExpandFour(row, layout, pixels);
                if (treatment == PixelTreatment.Premultiplied) Premultiply(pixels);
                break;
            case PixelMode.GrayAlpha:
                var (alpha, high) = (layout.SampleBytes, layout.SampleBytes - 1);
                for (var x = 0; x < pixels.Length; x++)
                    pixels[x] = (Gray(row[x * layout.Stride + high]) & 0xFFFFFF) | ((uint)row[x * layout.Stride + high + alpha] << 24);
                if (treatment == PixelTreatment.Premultiplied) Premultiply(pixels);
                break;
            default:
                ExpandOpaque(row, layout, pixels);
                break;
        }
    }

    /// <summary>Turns resized pixels into RGB, in place (the fourth byte is then without meaning).</summary>
    public static void ToRgb(Span<uint> pixels, PixelTreatment treatment)
    {
        switch (treatment)
        {
            case PixelTreatment.Premultiplied:
                Unpremultiply(pixels);
                break;
            case PixelTreatment.Ink:
                InkToRgb(pixels);
                break;
            case PixelTreatment.Wide:
                foreach (ref var pixel in pixels) pixel = Gray(Math.Clamp((int)pixel, 0, 255));
                break;
        }
    }

    /// <summary>RGB pixels as three bytes each.</summary>
    public static void ToInterleaved(ReadOnlySpan<uint> pixels, Span<byte> rgb)
    {
        for (var x = 0; x < pixels.Length; x++)
            (rgb[3 * x], rgb[3 * x + 1], rgb[3 * x + 2]) = ((byte)pixels[x], (byte)(pixels[x] >> 8), (byte)(pixels[x] >> 16));
    }

    /// <summary>RGB pixels as a row in each of three planes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToPlanes(ReadOnlySpan<uint> pixels, Span<byte> red, Span<byte> green, Span<byte> blue)
    {
        red = red[..pixels.Length];
        green = green[..pixels.Length];
        blue = blue[..pixels.Length];
        var x = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            var gather = Vector128.Create((byte)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 255, 255, 255, 255);
            for (; x + Vector128<uint>.Count <= pixels.Length; x += Vector128<uint>.Count)
            {
                var planes = Vector128.Shuffle(Vector128.Create(pixels[x..]).AsByte(), gather).AsUInt32();
                MemoryMarshal.Write(red[x..], planes[0]);
                MemoryMarshal.Write(green[x..], planes[1]);
                MemoryMarshal.Write(blue[x..], planes[2]);
            }
        }

        for (; x < pixels.Length; x++)
            (red[x], green[x], blue[x]) = ((byte)pixels[x], (byte)(pixels[x] >> 8), (byte)(pixels[x] >> 16));
    }

    private static uint Gray(int value) => (uint)value * 0x010101;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ExpandOpaque(ReadOnlySpan<byte> row, PixelLayout layout, Span<uint> pixels)
    {
        var (stride, sample) = (layout.Stride, layout.SampleBytes);
        var x = 0;
        if (stride / sample < 3)
        {
            for (; x < pixels.Length; x++) pixels[x] = Gray(row[x * stride + sample - 1]);
            return;
        }

        if (stride == 3 && Vector128.IsHardwareAccelerated)
        {
            var spread = Vector128.Create((byte)0, 1, 2, 255, 3, 4, 5, 255, 6, 7, 8, 255, 9, 10, 11, 255);
            ref var from = ref MemoryMarshal.GetReference(row);
            ref var to = ref MemoryMarshal.GetReference(pixels);
            for (; 3 * x + Vector128<byte>.Count <= row.Length; x += 4)
                Vector128.Shuffle(Vector128.LoadUnsafe(ref from, (nuint)(3 * x)), spread).AsUInt32().StoreUnsafe(ref to, (nuint)x);
        }

        for (; x < pixels.Length; x++)
        {
            var at = x * stride + sample - 1;
            pixels[x] = row[at] | ((uint)row[at + sample] << 8) | ((uint)row[at + 2 * sample] << 16);
        }
    }

    private static void ExpandFour(ReadOnlySpan<byte> row, PixelLayout layout, Span<uint> pixels)
    {
        var sample = layout.SampleBytes;
        for (var x = 0; x < pixels.Length; x++)
        {
            var at = x * layout.Stride + sample - 1;
            pixels[x] = row[at] | ((uint)row[at + sample] << 8) | ((uint)row[at + 2 * sample] << 16) | ((uint)row[at + 3 * sample] << 24);
        }
    }

    private static void Premultiply(Span<uint> pixels)
    {
        foreach (ref var pixel in pixels)
        {
            var alpha = pixel >> 24;
            pixel = Scaled(pixel & 0xFF, alpha) | (Scaled((pixel >> 8) & 0xFF, alpha) << 8)
                | (Scaled((pixel >> 16) & 0xFF, alpha) << 16) | (alpha << 24);
        }
    }

    private static void Unpremultiply(Span<uint> pixels)
    {
        foreach (ref var pixel in pixels)
        {
            var alpha = pixel >> 24;
            if (alpha is 0 or 255) continue;
            pixel = Unscaled(pixel & 0xFF, alpha) | (Unscaled((pixel >> 8) & 0xFF, alpha) << 8) | (Unscaled((pixel >> 16) & 0xFF,
                alpha) << 16);
        }
    }

    private static void InkToRgb(Span<uint> pixels)
    {
        foreach (ref var pixel in pixels)
        {
            var paper = 255 - (pixel >> 24);
            pixel = (paper - Scaled(pixel & 0xFF, paper)) | ((paper - Scaled((pixel >> 8) & 0xFF, paper)) << 8)
                | ((paper - Scaled((pixel >> 16) & 0xFF, paper)) << 16);
        }
    }

    /// <summary>a·b/255, rounded: Pillow's MULDIV255. Never larger than either.</summary>
    private static uint Scaled(uint a, uint b)
    {
        var product = a * b + 128;
        return ((product >> 8) + product) >> 8;
    }

    private static uint Unscaled(uint value, uint alpha) => Math.Min(255, 255 * value / alpha);
}
