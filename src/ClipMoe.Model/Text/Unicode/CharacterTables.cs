using System.Globalization;

namespace ClipMoe.Model.Text.Unicode;

/// <summary>What the reference's word pattern sees in a character.</summary>
internal enum CharacterClass : byte
{
    /// <summary>Everything else: punctuation, marks, symbols, unassigned.</summary>
    Other,

    /// <summary><c>\p{L}</c>.</summary>
    Letter,

    /// <summary><c>\p{N}</c>.</summary>
    Number,

    /// <summary><c>\s</c>.</summary>
    Space,

    /// <summary>Matched by no branch of the pattern, so it disappears: U+0345 only.</summary>
    Ignored,
}

/// <summary>
/// Unicode facts frozen at the versions the reference was recorded with (see <c>make_tables.py</c>), independent of .NET's own tables:
/// a token id must not change because a runtime learns new letters, and in invariant globalization .NET has no normalization at all.
/// </summary>
internal static class CharacterTables
{
    private const byte ClassMask = 0x07, CasedFlag = 0x08, IgnorableFlag = 0x10;

    /// <summary>Flags per code point; the last properties belong to the tag characters and variation selectors of plane 14.</summary>
    private static readonly byte[] Flags = new byte[0xE0200];

    private static readonly Dictionary<int, int> LowerCase = [];
    private static readonly Dictionary<int, byte> CombiningClasses = [];
    private static readonly Dictionary<int, int[]> Decompositions = [];
    private static readonly Dictionary<(int, int), int> Compositions = [];
    private static readonly HashSet<int> Unstable = [];
    private static readonly Dictionary<char, string> Widths = [];

    static CharacterTables()
    {
        var section = "";
        foreach (var line in EmbeddedLines.Read("Text.Unicode.characters.txt"))
        {
            if (line[0] == '[') section = line;
            else Add(section, line.Split(' '));
        }

        const string spaces = "\t\n\v\f\r \u0085\u00A0\u1680" +
            "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000";
        foreach (var space in spaces) Flags[space] |= (byte)CharacterClass.Space;
        // The regex module folds case inside sets too: the mark is no letter, but its capital is, so neither set takes it.
        Flags[0x0345] |= (byte)CharacterClass.Ignored;
    }

    /// <summary>Half- and full-width forms and the ideographic space, with the standard-width text each stands for.</summary>
    internal static IReadOnlyDictionary<char, string> StandardWidths => Widths;

    internal static CharacterClass ClassOf(int codePoint) => (CharacterClass)(FlagsOf(codePoint) & ClassMask);

    /// <summary>Cased, and not ignorable in the sense of <see cref="IsCaseIgnorable"/>.</summary>
    internal static bool IsCased(int codePoint) => (FlagsOf(codePoint) & CasedFlag) != 0;

    /// <summary>Looked through when deciding whether a sigma ends a word.</summary>
    internal static bool IsCaseIgnorable(int codePoint) => (FlagsOf(codePoint) & IgnorableFlag) != 0;

    /// <summary>The simple lower-case mapping, or the code point itself.</summary>
    internal static int ToLower(int codePoint) => LowerCase.GetValueOrDefault(codePoint, codePoint);

    internal static byte CombiningClass(int codePoint) => CombiningClasses.GetValueOrDefault(codePoint);

    /// <summary>One step of canonical decomposition (not Hangul); null when the code point stands for itself.</summary>
    internal static int[]? Decomposition(int codePoint) => Decompositions.GetValueOrDefault(codePoint);

    /// <summary>The primary composite of two code points (not Hangul), or -1.</summary>
    internal static int Composition(int first, int second) => Compositions.GetValueOrDefault((first, second), -1);

    /// <summary>Whether a text with this code point may differ from its NFC form; without any, it is in NFC (Hangul jamo aside).</summary>
    internal static bool MayChangeUnderComposition(int codePoint) => Unstable.Contains(codePoint);

    private static byte FlagsOf(int codePoint) => (uint)codePoint < (uint)Flags.Length ? Flags[codePoint] : (byte)0;

    private static void Add(string section, string[] fields)
    {
        switch (section)
        {
            case "[letter]":
                Mark(fields[0], (byte)CharacterClass.Letter);
                break;
            case "[number]":
                Mark(fields[0], (byte)CharacterClass.Number);
                break;
            case "[cased]":
                Mark(fields[0], CasedFlag);
                break;
            case "[ignorable]":
                Mark(fields[0], IgnorableFlag);
                break;
            case "[lower]":
                var step = fields[0].EndsWith("/2", StringComparison.Ordinal) ? 2 : 1;
                var (first, last) = Range(fields[0].Split('/')[0]);
                var distance = int.Parse(fields[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
                for (var c = first; c <= last; c += step) LowerCase[c] = c + distance;
                break;
            case "[combining]":
                (first, last) = Range(fields[0]);
                for (var c = first; c <= last; c++)
                {
                    CombiningClasses[c] = byte.Parse(fields[1], CultureInfo.InvariantCulture);
                    Unstable.Add(c);
                }

                break;
            case "[decomposition]":
                AddDecomposition(Hexadecimal(fields[0]), fields[1] == "=", fields[2..].Select(Hexadecimal).ToArray());
                break;
            case "[width]":
                Widths[(char)Hexadecimal(fields[0])] = string.Concat(fields[1..].Select(f => char.ConvertFromUtf32(Hexadecimal(f))));
                break;
        }
    }

    private static void AddDecomposition(int codePoint, bool composes, int[] parts)
    {
        Decompositions[codePoint] = parts;
        if (composes)
        {
            Compositions[(parts[0], parts[1])] = codePoint;
            Unstable.Add(parts[1]);
        }
        else
        {
            Unstable.Add(codePoint);
        }
    }

    private static void Mark(string range, byte flag)
    {
        var (first, last) = Range(range);
        for (var c = first; c <= last; c++) Flags[c] |= flag;
    }

    private static (int First, int Last) Range(string text)
    {
        var dash = text.IndexOf('-');
        return dash < 0 ? (Hexadecimal(text), Hexadecimal(text)) : (Hexadecimal(text[..dash]), Hexadecimal(text[(dash + 1)..]));
    }

    private static int Hexadecimal(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
