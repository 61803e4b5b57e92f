using System.Text.Json;

namespace ClipMoe.Model.Tests.Images;

/// <summary>One image of <c>preprocess.json</c>.</summary>
internal sealed record FixtureImage(string File, string Format, string Mode, int Width, int Height, string RgbSha256)
{
    public byte[] Bytes { get; } = System.IO.File.ReadAllBytes(Path.Combine(Fixtures.Path("images"), File));

    /// <summary>Whether decoders may differ in the last bits: JPEG, also within a TIFF, and WebP unless it says lossless.</summary>
    public bool IsLossy => Format switch
    {
        "PNG" or "BMP" or "GIF" => false,
        "WEBP" => Bytes.AsSpan().IndexOf("VP8L"u8) < 0,
        // The marker of a JPEG stream's start and its tables.
        "TIFF" => Bytes.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) >= 0,
        _ => true,
    };
}

/// <summary>Section e of the fixtures: images, and what the reference's preprocessing makes of them.</summary>
internal static class PreprocessFixture
{
    public const string Index = "preprocess.json", Pixels = "preprocess_u8.safetensors", Floats = "preprocess_float.safetensors";

    /// <summary>Differences in levels that a lossy file may show where a decoder is not libjpeg-turbo's.</summary>
    public const int LossyTolerance = 3;

    public static IReadOnlyList<FixtureImage> Images()
    {
        using var json = JsonDocument.Parse(System.IO.File.ReadAllBytes(Fixtures.Path(Index)));
        return [.. json.RootElement.GetProperty("images").EnumerateArray().Select(image => new FixtureImage(
            image.GetProperty("file").GetString()!,
            image.GetProperty("format").GetString()!,
            image.GetProperty("mode").GetString()!,
            image.GetProperty("size")[0].GetInt32(),
            image.GetProperty("size")[1].GetInt32(),
            image.GetProperty("rgb_sha256").GetString()!))];
    }
}
