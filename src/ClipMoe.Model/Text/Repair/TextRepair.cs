using System.Buffers;
using System.Text;
using ClipMoe.Model.Text.Html;
using ClipMoe.Model.Text.Unicode;

namespace ClipMoe.Model.Text.Repair;

/// <summary>
/// Repairs captions as <c>ftfy.fix_text</c> of ftfy 6.3.1 (Robyn Speer) does with its defaults, which the reference tokenizer calls first:
/// HTML entities, garbled encodings, ligatures, character width, quotes, line breaks, surrogates, terminal escapes, control characters,
/// NFC.
/// </summary>
public static class TextRepair
{
    private const int LongestSegment = 1_000_000;

    /// <summary>No caption needs more than a few rounds; a chain of nested entities would make the work quadratic.</summary>
    private const int MostRounds = 100;

    private const char Escape = '\x1B';

    /// <summary>Ligatures and digraphs of Latin letters, each with the letters it is made of.</summary>
    private const string Ligatures = "Ĳ IJ ĳ ij ŉ \u02BCn Ǆ DŽ ǅ Dž ǆ dž Ǉ LJ ǈ Lj ǉ lj Ǌ NJ ǋ Nj ǌ nj Ǳ DZ ǲ Dz ǳ dz " +
        "\uFB00 ff \uFB01 fi \uFB02 fl \uFB03 ffi \uFB04 ffl \uFB05 ſt \uFB06 st";

    /// <summary>Characters that no repair looks at: printable ASCII without the ampersand, tab and line feed.</summary>
    private static readonly SearchValues<char> Sound =
        SearchValues.Create(string.Concat(Enumerable.Range(' ', 95).Select(c => (char)c).Where(c => c != '&').Append('\t').Append('\n')));

    /// <summary>What replaces single characters: C1 controls, ligatures, widths, quotes, line breaks.</summary>
    private static readonly Dictionary<char, string> Replacements = BuildReplacements();

    private static readonly SearchValues<char> Replaced = SearchValues.Create(string.Concat(Replacements.Keys));

    /// <summary>ASCII's controls but for tab, line feed, form feed and carriage return; Unicode's that mean nothing today.</summary>
    private static readonly SearchValues<char> Controls = SearchValues.Create(string.Concat(
        Enumerable.Range(0, 0x20).Append(0x7F).Except("\t\n\f\r".Select(c => (int)c))
            .Concat(Enumerable.Range(0x206A, 6)).Append(0xFEFF).Concat(Enumerable.Range(0xFFF9, 4)).Select(c => (char)c)));

    /// <summary>The repaired text, without lone surrogates; the same instance when there is nothing to repair.</summary>
    public static string Repair(string text)
    {
        if (!text.AsSpan().ContainsAnyExcept(Sound)) return text;
        var result = new StringBuilder(text.Length);
        // Entities are left alone from the first line on that looks like HTML, where they are meant.
        var isHtml = false;
        for (var start = 0; start < text.Length;)
        {
            var end = SegmentEnd(text, start);
            var segment = text[start..end];
            isHtml |= segment.Contains('<');
            result.Append(RepairSegment(segment, isHtml));
            start = end;
        }

        return result.ToString();
    }

    /// <summary>Behind the next line feed, or a million characters on.</summary>
    private static int SegmentEnd(string text, int start)
    {
        var end = text.IndexOf('\n', start) + 1;
        if (end == 0) end = text.Length;
        if (end - start <= LongestSegment) return end;
        var cut = start;
        for (var points = 0; points < LongestSegment && cut < end; points++) cut += char.IsSurrogatePair(text, cut) ? 2 : 1;
        return cut;
    }

    private static string RepairSegment(string text, bool isHtml)
    {
        for (var round = 0; round < MostRounds && text.AsSpan().ContainsAnyExcept(Sound); round++)
        {
            var repaired = isHtml ? text : CharacterReferences.UnescapeWhole(text);
            repaired = Mojibake.Repair(repaired);
            repaired = ReplaceCharacters(repaired);
            repaired = ReplaceLoneSurrogates(repaired);
            repaired = RemoveTerminalEscapes(repaired);
            repaired = RemoveControls(repaired);
            repaired = CanonicalComposition.Compose(repaired);
            if (repaired == text) break;
            text = repaired;
        }

        return text;
    }

    private static string ReplaceCharacters(string text)
    {
        var next = text.AsSpan().IndexOfAny(Replaced);
        if (next < 0) return text;
        var result = new StringBuilder(text, 0, next, text.Length + 8);
        for (var i = next; i < text.Length; i++)
        {
            if (text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n') continue;
            if (Replacements.TryGetValue(text[i], out var replacement)) result.Append(replacement);
            else result.Append(text[i]);
        }

        return result.ToString();
    }

    private static string ReplaceLoneSurrogates(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF')) return text;
        var result = new StringBuilder(text.Length);
        Span<char> units = stackalloc char[2];
        // What is no rune is enumerated as the replacement character, one for each lone surrogate.
        foreach (var rune in text.EnumerateRunes()) result.Append(units[..rune.EncodeToUtf16(units)]);
        return result.ToString();
    }

    /// <summary>Escape, bracket, numbers with semicolons, and the letter that says what they mean: colors and cursor movements.</summary>
    private static string RemoveTerminalEscapes(string text)
    {
        var next = text.IndexOf(Escape);
        if (next < 0) return text;
        var result = new StringBuilder(text.Length);
        var done = 0;
        for (; next >= 0; next = text.IndexOf(Escape, Math.Max(done, next + 1)))
        {
            var length = TerminalEscapeLength(text.AsSpan(next));
            if (length == 0) continue;
            result.Append(text, done, next - done);
            done = next + length;
            if (done == text.Length) break;
        }

        return result.Append(text, done, text.Length - done).ToString();
    }

    private static int TerminalEscapeLength(ReadOnlySpan<char> text)
    {
        if (text.Length < 3 || text[1] != '[') return 0;
        var i = 2;
        while (i < text.Length && (char.IsDigit(text[i]) || text[i] == ';')) i++;
        return i < text.Length && char.IsAsciiLetter(text[i]) ? i + 1 : 0;
    }

    private static string RemoveControls(string text)
    {
        if (!text.AsSpan().ContainsAny(Controls)) return text;
        var result = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (!Controls.Contains(c)) result.Append(c);
        }

        return result.ToString();
    }

    private static Dictionary<char, string> BuildReplacements()
    {
        var ligatures = Ligatures.Split(' ').Chunk(2).ToDictionary(pair => pair[0][0], pair => pair[1]);
        var replacements = new Dictionary<char, string>();
        foreach (var c in Enumerable.Range(0, 0x10000).Select(c => (char)c))
        {
            // One after the other, as ftfy applies them: what a control is read as may be a quote.
            var read = c is >= '\x80' and <= '\x9F' ? LegacyEncoding.Windows1252.Decode((byte)c) : c;
            var text = ligatures.GetValueOrDefault(read) ?? CharacterTables.StandardWidths.GetValueOrDefault(read) ?? read.ToString();
            text = string.Concat(text.Select(Plain));
            if (text != c.ToString()) replacements[c] = text;
        }

        return replacements;
    }

    private static char Plain(char c) => c switch
    {
        '\u02BC' or (>= '\u2018' and <= '\u201B') => '\'',
        >= '\u201C' and <= '\u201F' => '"',
        '\r' or '\u2028' or '\u2029' => '\n',
        _ => c,
    };
}
