using System.Text;

namespace ClipMoe.Model.Text.Repair;

/// <summary>Strict UTF-8, and its variants that write astral characters as two surrogates (CESU-8) or U+0000 as C0 80 (Java).</summary>
internal static class Utf8Variants
{
    private const byte SurrogateLead = 0xED, JavaNullLead = 0xC0;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The text, or null when <paramref name="bytes"/> are in neither UTF-8 nor a variant.</summary>
    internal static string? TryDecode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return bytes.IndexOfAny(SurrogateLead, JavaNullLead) < 0 ? Strict.GetString(bytes) : DecodeVariants(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static string DecodeVariants(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        var plain = 0;
        for (var i = 0; i < bytes.Length;)
        {
            var length = VariantLength(bytes[i..]);
            if (length == 0)
            {
                i++;
                continue;
            }

            text.Append(Strict.GetString(bytes[plain..i]));
            if (length == 2) text.Append('\0');
            else text.Append(char.ConvertFromUtf32(Astral(bytes.Slice(i, length))));
            i += length;
            plain = i;
        }

        return text.Append(Strict.GetString(bytes[plain..])).ToString();
    }

    /// <summary>2 for a Java null, 6 for a pair of surrogates, else 0.</summary>
    private static int VariantLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length >= 2 && bytes[0] == JavaNullLead && (bytes[1] == 0x80 || EndsLine(bytes, 1))) return 2;
        return bytes.Length >= 6 && bytes[0] == SurrogateLead && bytes[1] is >= 0xA0 and <= 0xAF && IsContinuation(bytes[2])
            && bytes[3] == SurrogateLead && bytes[4] is >= 0xB0 and <= 0xBF && (IsContinuation(bytes[5]) || EndsLine(bytes, 5)) ? 6 : 0;
    }

    /// <summary>
    /// ftfy's expression for a variant may end before the line feed that ends a text; it then takes that for the missing byte.
    /// </summary>
    private static bool EndsLine(ReadOnlySpan<byte> bytes, int index) => index == bytes.Length - 1 && bytes[index] == '\n';

    private static bool IsContinuation(byte b) => b is >= 0x80 and <= 0xBF;

    private static int Astral(ReadOnlySpan<byte> pair) =>
        0x10000 + ((pair[1] & 0x0F) << 16) + ((pair[2] & 0x3F) << 10) + ((pair[4] & 0x0F) << 6) + (pair[5] & 0x3F);
}
