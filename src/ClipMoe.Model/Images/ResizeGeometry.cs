namespace ClipMoe.Model.Images;

/// <summary>
/// torchvision's <c>Resize(size)</c> of the shorter side followed by <c>CenterCrop(size)</c>: the whole image becomes
/// <see cref="Width"/> × <see cref="Height"/>, of which the square of <see cref="Size"/> pixels at (<see cref="Left"/>, <see cref="Top"/>)
/// is kept.
/// </summary>
internal readonly record struct ResizeGeometry(int Size, int Width, int Height, int Left, int Top)
{
    /// <exception cref="UserErrorException">The resized image would have more than <paramref name="maxPixels"/> pixels.</exception>
    public static ResizeGeometry Create(int width, int height, int size, long maxPixels, string name)
    {
        var (shorter, longer) = width <= height ? (width, height) : (height, width);

        // Python's int(size * longer / shorter): a true division, then cut off.
        var resized = (long)((double)((long)size * longer) / shorter);
        if (resized * size > maxPixels) throw ImageErrors.TooThin(name, width, height, size);
        var (newWidth, newHeight) = width <= height ? (size, (int)resized) : ((int)resized, size);
        return new ResizeGeometry(size, newWidth, newHeight, Margin(newWidth - size), Margin(newHeight - size));
    }

    /// <summary>Python's int(round(surplus / 2.0)): halves go to the even neighbor.</summary>
    private static int Margin(int surplus) => (int)Math.Round(surplus / 2.0, MidpointRounding.ToEven);
}
