namespace ClipMoe.Model.Images;

/// <summary>When an image becomes RGB: the reference does it differently for its two kinds of data sets.</summary>
public enum ConversionOrder
{
    /// <summary>
    /// Resize and crop in the file's own mode, then convert (the reference's <c>_transform</c> on an opened file: ShareGPT4V). Palette and
    /// bilevel images are then resized with nearest neighbor, RGBA premultiplied and its opacity dropped afterwards, CMYK as ink.
    /// </summary>
    AsIs,

    /// <summary>Convert to RGB (opacity dropped, not blended), then resize and crop: the reference's folder path.</summary>
    RgbFirst,
}
