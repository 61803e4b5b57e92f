using System.Globalization;
using System.Text;
using ClipMoe.Model.Text.Unicode;

namespace ClipMoe.Model.Text.Html;

/// <summary>HTML character references, read in the two ways the reference does.</summary>
internal static class CharacterReferences
{
    private const int LongestName = 32, LongestWholeReference = 24;

    /// <summary>Names as the HTML standard lists them, with their semicolon where they need one.</summary>
    private static readonly Dictionary<string, string> Names = [];

    /// <summary>Names that end in a semicolon, and ftfy's capitals of the lower-case ones.</summary>
    private static readonly Dictionary<string, string> WholeNames = [];

    private static readonly Dictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> NamesBySpan, WholeNamesBySpan;

    static CharacterReferences()
    {
        foreach (var line in EmbeddedLines.Read("Text.Html.entities.txt"))
        {
            var fields = line.Split(' ');
            var points = fields[1..].Select(f => int.Parse(f, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
            var text = string.Concat(points.Select(char.ConvertFromUtf32));
            if (fields[0][0] == '^')
            {
                WholeNames[fields[0][1..]] = text;
                continue;
            }

            Names[fields[0]] = text;
            if (fields[0][^1] == ';') WholeNames[fields[0]] = text;
        }

        NamesBySpan = Names.GetAlternateLookup<ReadOnlySpan<char>>();
        WholeNamesBySpan = WholeNames.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>
    /// As browsers and Python's <c>html.unescape</c> do: semicolons may be missing, of an unknown name the longest known beginning counts,
    /// numbers 128 to 159 are read as Windows-1252, numbers that are no characters become U+FFFD or nothing.
    /// </summary>
    internal static string Unescape(string text)
    {
        var next = text.IndexOf('&');
        if (next < 0) return text;
        var result = new StringBuilder(text.Length);
        var done = 0;
        for (; next >= 0; next = text.IndexOf('&', done))
        {
            result.Append(text, done, next - done);
            done = next + 1;
            if (done < text.Length && text[done] == '#') done = AppendNumber(result, text, next);
            else done = AppendName(result, text, next);
        }

        return result.Append(text, done, text.Length - done).ToString();
    }

    /// <summary>
    /// As ftfy does before it looks at the characters: only references with their semicolon and at most 24 letters and digits, names also
    /// in capitals; anything else is left as it is.
    /// </summary>
    internal static string UnescapeWhole(string text)
    {
        var next = text.IndexOf('&');
        if (next < 0) return text;
        var result = new StringBuilder(text.Length);
        var done = 0;
        for (; next >= 0; next = text.IndexOf('&', next + 1))
        {
            var start = next + 1;
            if (start < text.Length && text[start] == '#') start++;
            var end = start;
            while (end < text.Length && end - start <= LongestWholeReference && char.IsAsciiLetterOrDigit(text[end])) end++;
            if (end == start || end - start > LongestWholeReference || end == text.Length || text[end] != ';') continue;
            if (Whole(text, next, end + 1) is not { } replacement) continue;
            result.Append(text, done, next - done).Append(replacement);
            done = end + 1;
            next = end;
        }

        return done == 0 ? text : result.Append(text, done, text.Length - done).ToString();
    }

    private static string? Whole(string text, int start, int end)
    {
        if (text[start + 1] != '#') return WholeNamesBySpan.TryGetValue(text.AsSpan(start + 1, end - start - 1), out var named) ? named
            : null;
        // A semicolon that is left over, or that the number itself stands for, means that the reference is not what it seems.
        var read = Unescape(text[start..end]);
        return read.Contains(';') ? null : read;
    }

    /// <returns>The index behind the reference.</returns>
    private static int AppendNumber(StringBuilder result, string text, int ampersand)
    {
        var i = ampersand + 2;
        var hexadecimal = i < text.Length && text[i] is 'x' or 'X';
        if (hexadecimal) i++;
        var digits = i;
        var number = 0;
        for (; i < text.Length && (hexadecimal ? char.IsAsciiHexDigit(text[i]) : char.IsAsciiDigit(text[i])); i++)
            number = Math.Min(0x110000, number * (hexadecimal ? 16 : 10) + Convert.ToInt32(text[i].ToString(), 16));
        if (i == digits)
        {
            result.Append(text, ampersand, 2);
            return ampersand + 2;
        }

        if (i < text.Length && text[i] == ';') i++;
        result.Append(Character(number));
        return i;
    }

    private static string Character(int number) => number switch
    {
        0 or (>= 0xD800 and <= 0xDFFF) or > 0x10FFFF => "\uFFFD",
        >= 0x80 and <= 0x9F => LegacyEncoding.Windows1252.Decode((byte)number).ToString(),
        '\t' or '\n' or '\f' or '\r' => ((char)number).ToString(),
        < 0x20 or 0x7F or (>= 0xFDD0 and <= 0xFDEF) => "",
        _ when (number & 0xFFFE) == 0xFFFE => "",
        _ => char.ConvertFromUtf32(number),
    };

    /// <returns>The index behind what was read.</returns>
    private static int AppendName(StringBuilder result, string text, int ampersand)
    {
        var start = ampersand + 1;
        var end = start;
        for (var points = 0; end < text.Length && points < LongestName && !EndsName(text[end]); points++)
            end += char.IsSurrogatePair(text, end) ? 2 : 1;
        if (end == start)
        {
            result.Append('&');
            return start;
        }

        if (end < text.Length && text[end] == ';') end++;
        for (var length = end - start; length > 1; length--)
        {
            if (!NamesBySpan.TryGetValue(text.AsSpan(start, length), out var named)) continue;
            result.Append(named);
            return start + length;
        }

        result.Append(text, ampersand, end - ampersand);
        return end;
    }

    private static bool EndsName(char c) => c is '\t' or '\n' or '\f' or ' ' or '<' or '&' or '#' or ';';
}
