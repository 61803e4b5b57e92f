namespace ClipMoe.Model.Images;

/// <summary>
/// The sentences for images that cannot be used. They depend on the file alone, so that a list of bad samples is the same each time.
/// </summary>
internal static class ImageErrors
{
    public static UserErrorException Damaged(string name, ImageFormat format, ReadOnlySpan<byte> file, Exception? inner = null) =>
        format.LacksItsEnd(file) ? CutShort(name, format, inner)
            : new UserErrorException($"{name} is a damaged {format.DisplayName()} file; copy it again or leave it out.", inner);

    public static UserErrorException CutShort(string name, ImageFormat format, Exception? inner = null) =>
        new($"{name} is cut short: the end of the {format.DisplayName()} file is missing; copy it again or leave it out.", inner);

    public static UserErrorException Unsupported(string name, ImageFormat format, string what) =>
        new($"{name} is a {format.DisplayName()} file with {what}, which ClipMoe does not read; save it as PNG.");

    public static UserErrorException TooLarge(string name, long width, long height, long maxPixels) =>
        new($"{name} claims {width} × {height} pixels, more than the {maxPixels} that are allowed; scale it down or leave it out.");

    public static UserErrorException TooThin(string name, int width, int height, int size) =>
        new($"{name} has {width} × {height} pixels, too long and thin to be resized to a shorter side of {size}; crop it or leave it out.");

    public static UserErrorException NoImage(string name, ReadOnlySpan<byte> file) => new(file.IsEmpty
        ? $"{name} is empty; copy it again or leave it out."
        : $"{name} is no JPEG, PNG, WebP, GIF, BMP or TIFF image; convert it or leave it out.");
}
