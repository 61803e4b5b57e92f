using System.Text;

namespace ClipMoe.Model.Text.Unicode;

/// <summary>Python's <c>str.lower()</c>: simple mappings, İ to i with a dot above, and Σ to ς at the end of a word.</summary>
internal static class LowerCase
{
    private const char CapitalSigma = '\u03A3', SmallSigma = '\u03C3', FinalSigma = '\u03C2', DottedCapitalI = '\u0130';

    /// <summary>Lower-cases <paramref name="text"/>, which must hold no lone surrogates.</summary>
    internal static string Apply(string text)
    {
        if (Ascii.IsValid(text)) return text.ToLowerInvariant();
        var lower = new StringBuilder(text.Length + 4);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c < 0x80) lower.Append(char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c);
            else if (c == CapitalSigma) lower.Append(EndsWord(text, i) ? FinalSigma : SmallSigma);
            else if (c == DottedCapitalI) lower.Append("i\u0307");
            else if (char.IsHighSurrogate(c))
                lower.Append(char.ConvertFromUtf32(CharacterTables.ToLower(char.ConvertToUtf32(c, text[++i]))));
            else lower.Append((char)CharacterTables.ToLower(c));
        }

        return lower.ToString();
    }

    /// <summary>A cased letter before, none behind; characters that carry no case of their own are looked through.</summary>
    private static bool EndsWord(string text, int sigma)
    {
        var before = sigma - 1;
        while (before >= 0 && CharacterTables.IsCaseIgnorable(PointEndingAt(text, before))) before -= char.IsLowSurrogate(text[before]) ? 2
            : 1;
        if (before < 0 || !CharacterTables.IsCased(PointEndingAt(text, before))) return false;
        var behind = sigma + 1;
        while (behind < text.Length && CharacterTables.IsCaseIgnorable(char.ConvertToUtf32(text, behind)))
            behind += char.IsHighSurrogate(text[behind]) ? 2 : 1;
        return behind == text.Length || !CharacterTables.IsCased(char.ConvertToUtf32(text, behind));
    }

    private static int PointEndingAt(string text, int index) =>
        char.IsLowSurrogate(text[index]) ? char.ConvertToUtf32(text[index - 1], text[index]) : text[index];
}
