namespace ClipMoe.Model.Images;

/// <summary>CLIP's normalisation of pixels: torchvision's <c>ToTensor</c> and <c>Normalize</c>, (value/255 − mean)/deviation in fp32.</summary>
public static class ImageNormalization
{
    /// <summary>Mean of red, green and blue, as in the reference's <c>_transform</c>.</summary>
    public static IReadOnlyList<float> Mean { get; } = [0.48145466f, 0.4578275f, 0.40821073f];

    /// <summary>Standard deviation of red, green and blue.</summary>
    public static IReadOnlyList<float> Deviation { get; } = [0.26862954f, 0.26130258f, 0.27577711f];

    private static readonly float[] Table = BuildTable();

    /// <summary>Pixels [n, 3, size, size] to the model's input of the same shape.</summary>
    /// <param name="pixels">Bytes of any number of images.</param>
    /// <param name="planeLength">size²</param>
    /// <param name="normalized">As long as <paramref name="pixels"/>.</param>
    public static void Apply(ReadOnlySpan<byte> pixels, int planeLength, Span<float> normalized)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(normalized.Length, pixels.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(pixels.Length % (3 * planeLength), 0);
        for (var start = 0; start < pixels.Length; start += planeLength)
        {
            var table = Table.AsSpan(start / planeLength % 3 * 256, 256);
            for (var i = start; i < start + planeLength; i++) normalized[i] = table[pixels[i]];
        }
    }

    private static float[] BuildTable()
    {
        var table = new float[3 * 256];
        for (var i = 0; i < table.Length; i++) table[i] = (i % 256 / 255f - Mean[i / 256]) / Deviation[i / 256];
        return table;
    }
}
