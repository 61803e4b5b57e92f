using ClipMoe.Model.Text.Unicode;

namespace ClipMoe.Model.Text.Repair;

/// <summary>
/// Whether a text looks as if UTF-8 had been read in another encoding: sequences of characters that are common in such garble and hardly
/// ever meant. The kinds of characters and the sequences are those of ftfy 6.3.1 (Robyn Speer), so that the same captions are repaired.
/// </summary>
internal static class MojibakeSigns
{
    [Flags]
    private enum Kind : ushort
    {
        None = 0,

        /// <summary>Meant as often as not: dashes, ellipsis, apostrophe, no-break space.</summary>
        Everyday = 1 << 0,

        /// <summary>C1 control characters: a sign by themselves.</summary>
        Control = 1 << 1,

        /// <summary>Characters that are hardly ever typed.</summary>
        Rare = 1 << 2,
        Legal = 1 << 3,
        Currency = 1 << 4,

        /// <summary>Punctuation before a word.</summary>
        Opening = 1 << 5,

        /// <summary>Punctuation behind a word.</summary>
        Closing = 1 << 6,
        Numeric = 1 << 7,

        /// <summary>Letters that also make faces, as in \(ö)/.</summary>
        Face = 1 << 8,
        UpperAccented = 1 << 9,
        LowerAccented = 1 << 10,

        /// <summary>Capitals of Greek and Cyrillic, where they are ordinary letters.</summary>
        Upper = 1 << 11,
        Lower = 1 << 12,
        Box = 1 << 13,

        Accented = UpperAccented | LowerAccented,
    }

    /// <summary>Characters of each kind; a hyphen between two characters stands for all between them.</summary>
    private static readonly (Kind Kind, string Characters)[] Alphabet =
    [
        (Kind.Everyday, "\u00A0\u00AD\u00B4\u00B7\u2013-\u2015\u2019\u2026"),
        (Kind.Control, "\u0080-\u009F"),
        (Kind.Rare, "¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\uFFFD"),
        (Kind.Legal, "§¶"),
        (Kind.Currency, "¢£¥₧€"),
        (Kind.Opening, "¡©«¿\u0384\u0385‘‚“„•‹\uF8FF"),
        (Kind.Closing, "®»˝”›™"),
        (Kind.Numeric, "±²³µ¹¼½¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥"),
        (Kind.Face, "°Ò-ÖÙ-Üò-öø-üŌŐŪŲ"),
        (Kind.UpperAccented, "À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"),
        (Kind.LowerAccented, "ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґ\uFB01\uFB02"),
        (Kind.Upper, "Þ\u0386\u0388-\u038A\u038C\u038E\u038F\u0391-\u03ABЁ-Я"),
        (Kind.Lower, "\u03AC-\u03C9а-џ"),
        (Kind.Box, "│┌┐┘├┤┬┼═-╬▀▄█▌▐░-▓"),
    ];

    /// <summary>Two neighbors that are a sign together.</summary>
    private static readonly (Kind First, Kind Second)[] Pairs =
    [
        (Kind.Accented | Kind.Box | Kind.Opening | Kind.Closing | Kind.Currency | Kind.Numeric | Kind.Legal, Kind.Rare),
        (Kind.Rare, Kind.Rare | Kind.Accented | Kind.Box | Kind.Opening | Kind.Closing | Kind.Currency | Kind.Numeric | Kind.Legal),
        (Kind.LowerAccented | Kind.Lower | Kind.Box | Kind.Closing | Kind.Currency | Kind.Numeric, Kind.UpperAccented),
        (Kind.Box | Kind.Closing | Kind.Currency | Kind.Numeric, Kind.LowerAccented),
        (Kind.LowerAccented | Kind.Box | Kind.Closing, Kind.Currency),
        (Kind.UpperAccented | Kind.Box, Kind.Numeric | Kind.Legal),
        (Kind.Currency | Kind.Numeric | Kind.Box, Kind.Opening),
        (Kind.Accented | Kind.Currency | Kind.Numeric | Kind.Opening | Kind.Closing | Kind.Legal, Kind.Box),
        (Kind.Box, Kind.Face | Kind.Closing),
    ];

    /// <summary>Three neighbors that are a sign together.</summary>
    private static readonly (Kind First, Kind Second, Kind Third)[] Triples =
    [
        (Kind.Accented | Kind.Box | Kind.Currency | Kind.Closing, Kind.Opening, Kind.Numeric),
        (Kind.Accented | Kind.Currency | Kind.Numeric | Kind.Box | Kind.Legal, Kind.Closing, Kind.Opening),
    ];

    /// <summary>
    /// Beginnings of two- and three-byte sequences as they look in one encoding, with the characters that continue them.
    /// </summary>
    private static readonly (string Start, string Next)[] Sequences =
    [
        ("×", "²³"),
        ("à", "²µ¹¼½¾"),
        ("Ã", "\u00A0¡"),
        ("√", "±∂†≠®™´≤≥¥µø"),
        ("≈", "°¢"),
        ("‚Ä", "ìîïòôúùû†°¢π"),
        ("‚â", "àä°ê"),
        ("‚ó", "àä°ê"),
        ("в", "Ђ"),
        ("β€", "™\u00A0\u0386\u00AD®°"),
        ("ā", "€"),
    ];

    private static readonly Kind[] Kinds = new Kind[0x10000];

    static MojibakeSigns()
    {
        foreach (var (kind, characters) in Alphabet)
        {
            for (var i = 0; i < characters.Length; i++)
            {
                var last = i + 2 < characters.Length && characters[i + 1] == '-' ? characters[i + 2] : characters[i];
                for (var c = (int)characters[i]; c <= last; c++) Kinds[c] |= kind;
                if (last != characters[i]) i += 2;
            }
        }
    }

    /// <summary>Whether any sign occurs in <paramref name="text"/>.</summary>
    internal static bool Any(ReadOnlySpan<char> text)
    {
        // Every sign has a character beyond ASCII: what comes before is looked back at from there.
        for (var i = NextBeyondAscii(text, 0); i >= 0; i = NextBeyondAscii(text, i + 1))
        {
            if (IsSign(text, i)) return true;
        }

        return false;
    }

    private static int NextBeyondAscii(ReadOnlySpan<char> text, int start)
    {
        var next = text[start..].IndexOfAnyExceptInRange('\0', '\x7F');
        return next < 0 ? -1 : start + next;
    }

    private static bool IsSign(ReadOnlySpan<char> text, int i)
    {
        var kind = Kinds[text[i]];
        if (Is(kind, Kind.Control)) return true;
        if (i + 1 == text.Length) return false;
        var next = Kinds[text[i + 1]];
        if (Is(kind, Kind.UpperAccented) && text[i + 1] == '°') return true;
        foreach (var pair in Pairs)
        {
            if (Is(kind, pair.First) && Is(next, pair.Second)) return true;
        }

        return text[i] is 'Œ' or 'œ' && !char.IsAsciiLetter(text[i + 1])
            || StartsSequence(text[i..])
            || IsLatin1Start(text[i], text[i + 1], next)
            || (i + 2 < text.Length && IsTriple(text, i, kind, next))
            || IsSignBehind(text, i, kind, next);
    }

    private static bool StartsSequence(ReadOnlySpan<char> text)
    {
        foreach (var (start, next) in Sequences)
        {
            if (text.Length > start.Length && text.StartsWith(start) && next.Contains(text[start.Length])) return true;
        }

        return false;
    }

    /// <summary>Two-byte sequences of Windows-1252.</summary>
    private static bool IsLatin1Start(char first, char second, Kind next) =>
        first is 'Â' or 'Ã' or 'Î' or 'Ð'
        && (Is(next, Kind.Opening | Kind.Closing) || "€œŠš¢£Ÿž\u00A0\u00AD®°·»–—´".Contains(second));

    private static bool IsTriple(ReadOnlySpan<char> text, int i, Kind kind, Kind next)
    {
        var third = Kinds[text[i + 2]];
        foreach (var triple in Triples)
        {
            if (Is(kind, triple.First) && Is(next, triple.Second) && Is(third, triple.Third)) return true;
        }

        return (Is(kind, Kind.Accented) && Is(next, Kind.Opening | Kind.Closing) && IsWordCharacter(text[(i + 2)..]))
            || IsCyrillicOrGreek(text, i, next)
            || IsArabic(text, i)
            || (text[i..].StartsWith("ГўВЂВ") && IsDoublyGarbledCyrillic(text[(i + 5)..]));
    }

    /// <summary>Letters garbled by Windows-1251 or 1253: what a lead byte looks like, on both sides of an improbable character.</summary>
    private static bool IsCyrillicOrGreek(ReadOnlySpan<char> text, int i, Kind next)
    {
        const Kind improbable = Kind.Control | Kind.Rare | Kind.Opening | Kind.Closing | Kind.Currency;
        return (IsCyrillicLead(text[i]) && IsCyrillicLead(text[i + 2]) && (Is(next, improbable) || text[i + 1] is '°' or 'µ'))
            || (IsGreekLead(text[i]) && IsGreekLead(text[i + 2]) && (Is(next, improbable) || text[i + 1] == '°'));
    }

    private static bool IsCyrillicLead(char c) => c is 'В' or 'Г' or 'Р' or 'С';

    private static bool IsGreekLead(char c) => c is '\u0392' or '\u0393' or '\u039E' or '\u039F';

    /// <summary>Arabic words garbled by Windows-1252 are full of everyday characters: two letters in a row are asked for.</summary>
    private static bool IsArabic(ReadOnlySpan<char> text, int i) =>
        i + 3 < text.Length && IsArabicLetter(text[i], text[i + 1]) && IsArabicLetter(text[i + 2], text[i + 3]);

    private static bool IsArabicLetter(char first, char second) =>
        first is 'Ø' or 'Ù'
        && (Is(Kinds[second], Kind.Everyday | Kind.Currency | Kind.Rare | Kind.Numeric | Kind.Opening) || "ŸŠ®°µ»".Contains(second));

    /// <summary>
    /// Behind five letters that Windows-1251 makes of characters garbled before: anything, then a Latin letter or a space.
    /// </summary>
    private static bool IsDoublyGarbledCyrillic(ReadOnlySpan<char> rest)
    {
        if (rest.IsEmpty || rest[0] == '\n') return false;
        rest = rest[(rest.Length > 1 && char.IsSurrogatePair(rest[0], rest[1]) ? 2 : 1)..];
        return !rest.IsEmpty && (char.IsAsciiLetter(rest[0]) || rest[0] == ' ');
    }

    /// <summary>Signs that begin with an ordinary character before position <paramref name="i"/>, or with the start of the text.</summary>
    private static bool IsSignBehind(ReadOnlySpan<char> text, int i, Kind kind, Kind next)
    {
        var garbledSpace = text[i] is 'Â' or 'Ã' && text[i + 1] == ' ';
        if (i == 0) return garbledSpace;
        var previous = text[i - 1];
        var lower = char.IsAsciiLetterLower(previous);
        var space = IsSpace(previous);
        return (char.IsAsciiLetter(previous) && Is(kind, Kind.Upper | Kind.Lower) && Is(next, Kind.Rare))
            || (space && Is(kind, Kind.UpperAccented) && Is(next, Kind.Currency))
            || (lower && Is(kind, Kind.UpperAccented) && Is(next, Kind.Opening | Kind.Currency))
            || (garbledSpace && (lower || (space && i > 1 && char.IsAsciiLetterLower(text[i - 2]))))
            || (text[i] == 'Â'
                && (lower || previous is '.' or ',' or '?' or '!' || Is(Kinds[previous], Kind.Closing))
                && (text[i + 1] == ' ' || Is(next, Kind.Opening | Kind.Closing)));
    }

    /// <summary>Python's idea of white space, which has the separators of ASCII besides.</summary>
    private static bool IsSpace(char c) => c is >= '\x1C' and <= '\x1F' || CharacterTables.ClassOf(c) == CharacterClass.Space;

    private static bool IsWordCharacter(ReadOnlySpan<char> text)
    {
        var point = text.Length > 1 && char.IsSurrogatePair(text[0], text[1]) ? char.ConvertToUtf32(text[0], text[1]) : text[0];
        return point == '_' || CharacterTables.ClassOf(point) is CharacterClass.Letter or CharacterClass.Number;
    }

    private static bool Is(Kind kind, Kind any) => (kind & any) != 0;
}
