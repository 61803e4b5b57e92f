using System.Text;

namespace ClipMoe.Model.Datasets;

/// <summary>From the bytes of a caption to the long and the short caption.</summary>
internal static class CaptionText
{
    /// <summary>Larger captions are taken for a mistake: the longest context is a few hundred tokens.</summary>
    public const int MaxBytes = 1 << 20;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// A caption as the reference's ShareGPT4V data set has it (train/dataset.py): line breaks become spaces, and the short caption is what
    /// comes before the first ". ".
    /// </summary>
    public static Caption FromText(string text)
    {
        var caption = text.Replace('\n', ' ');
        if (string.IsNullOrWhiteSpace(caption))
            throw new BadSampleException("empty caption");
        var end = caption.IndexOf(". ", StringComparison.Ordinal);
        return new Caption(caption, end < 0 ? caption : caption[..end]);
    }

    /// <summary>
    /// A caption file. Files in the manner of Tux Paint, whose first line is the English caption and whose other lines are translations
    /// ("xx.utf8=…"), give the first line.
    /// </summary>
    public static Caption FromFile(ReadOnlySpan<byte> bytes)
    {
        var text = Decode(bytes).Trim();
        var firstLineEnd = text.IndexOf('\n');
        if (firstLineEnd >= 0 && IsTranslation(text.AsSpan(firstLineEnd + 1)))
            text = text[..firstLineEnd].TrimEnd();
        return FromText(text);
    }

    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxBytes)
            throw new BadSampleException($"caption larger than {MaxBytes >> 20} MiB");
        if (bytes.StartsWith("\uFEFF"u8))
            bytes = bytes[3..];
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new BadSampleException("caption is not UTF-8", e);
        }
    }

    private static bool IsTranslation(ReadOnlySpan<char> lines)
    {
        var line = lines.TrimStart();
        var equals = line.IndexOf(".utf8=", StringComparison.Ordinal);
        return equals is >= 2 and <= 20 && !line[..equals].ContainsAny(" \t\n");
    }
}
