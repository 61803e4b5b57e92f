using ClipMoe.Model.Text.Unicode;

namespace ClipMoe.Model.Text;

/// <summary>
/// Cuts cleaned text into words as the reference's pattern does: the two marks, English contractions, runs of letters, single digits, runs
/// of anything else but white space
/// (<c>&lt;\|startoftext\|&gt;|&lt;\|endoftext\|&gt;|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+</c>).
/// </summary>
/// <remarks>The pattern ignores case, which in lower-cased text matters for one letter only: the long s (ſ) counts as s.</remarks>
internal ref struct WordScanner(ReadOnlySpan<char> text)
{
    private const char LongS = 'ſ';

    private ReadOnlySpan<char> _rest = text;

    /// <summary>The word found last.</summary>
    public ReadOnlySpan<char> Current { get; private set; }

    public bool MoveNext()
    {
        while (!_rest.IsEmpty)
        {
            var kind = Read(_rest, out var units);
            if (kind is CharacterClass.Space or CharacterClass.Ignored)
            {
                _rest = _rest[units..];
                continue;
            }

            var length = kind switch
            {
                CharacterClass.Letter => RunLength(_rest, units, CharacterClass.Letter),
                CharacterClass.Number => units,
                _ => FixedLength(_rest) is > 0 and var known ? known : RunLength(_rest, units, CharacterClass.Other),
            };
            Current = _rest[..length];
            _rest = _rest[length..];
            return true;
        }

        return false;
    }

    private static CharacterClass Read(ReadOnlySpan<char> text, out int units)
    {
        var c = text[0];
        if (char.IsHighSurrogate(c) && text.Length > 1 && char.IsLowSurrogate(text[1]))
        {
            units = 2;
            return CharacterTables.ClassOf(char.ConvertToUtf32(c, text[1]));
        }

        units = 1;
        return CharacterTables.ClassOf(c);
    }

    private static int RunLength(ReadOnlySpan<char> text, int start, CharacterClass kind)
    {
        var length = start;
        while (length < text.Length && Read(text[length..], out var units) == kind) length += units;
        return length;
    }

    /// <summary>The length of a mark or a contraction at the start of <paramref name="text"/>, or 0.</summary>
    private static int FixedLength(ReadOnlySpan<char> text) => text[0] switch
    {
        '<' when StartsWith(text, Vocabulary.StartToken) => Vocabulary.StartToken.Length,
        '<' when StartsWith(text, Vocabulary.EndToken) => Vocabulary.EndToken.Length,
        '\'' when text.Length > 1 && text[1] is 's' or LongS or 't' => 2,
        '\'' when text.Length > 2 && text[1..3] is "re" or "ve" or "ll" => 3,
        '\'' when text.Length > 1 && text[1] is 'm' or 'd' => 2,
        _ => 0,
    };

    private static bool StartsWith(ReadOnlySpan<char> text, string mark)
    {
        if (text.Length < mark.Length) return false;
        for (var i = 0; i < mark.Length; i++)
        {
            if (text[i] != mark[i] && !(mark[i] == 's' && text[i] == LongS)) return false;
        }

        return true;
    }
}
