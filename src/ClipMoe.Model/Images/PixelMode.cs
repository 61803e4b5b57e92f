namespace ClipMoe.Model.Images;

/// <summary>
/// What a pixel of an image file is, in the distinctions that decide how the reference (torchvision over Pillow) resizes it. The names in
/// brackets are Pillow's modes.
/// </summary>
public enum PixelMode
{
    /// <summary>Black or white (1): 0 or 255.</summary>
    Bilevel,

    /// <summary>An index into a table of colors (P), here already looked up: red, green, blue.</summary>
    Palette,

    /// <summary>8-bit gray (L).</summary>
    Gray,

    /// <summary>16-bit gray (I and I;16): values 0 … 65,535, of which everything above 255 is white to Pillow.</summary>
    Gray16,

    /// <summary>8-bit gray and opacity (LA).</summary>
    GrayAlpha,

    /// <summary>Red, green, blue (RGB).</summary>
    Rgb,

    /// <summary>Red, green, blue, opacity, not premultiplied (RGBA).</summary>
    Rgba,

    /// <summary>Cyan, magenta, yellow, black; 0 is no ink (CMYK).</summary>
    Cmyk,
}

/// <summary>How one pixel lies in the decoder's rows.</summary>
/// <param name="Mode">What the samples mean.</param>
/// <param name="Stride">Bytes from one pixel to the next; samples behind those of the mode are ignored.</param>
/// <param name="SampleBytes">
/// 1, or 2 for little-endian 16-bit samples, of which Pillow keeps the high byte (but all of <see cref="PixelMode.Gray16"/>).
/// </param>
internal readonly record struct PixelLayout(PixelMode Mode, int Stride, int SampleBytes);
