using System.Text;

namespace ClipMoe.Model.Text.Unicode;

/// <summary>A single-byte encoding that UTF-8 is commonly mistaken for.</summary>
/// <remarks>
/// The Windows encodings are "sloppy" as in browsers: a byte without a character is the control character of its own number, and byte 1A
/// stands for U+FFFD, which some program put where it knew no character.
/// </remarks>
internal sealed class LegacyEncoding
{
    private const byte Substitute = 0x1A;
    private const int MacRoman = 10000;

    private readonly char[] _characters;
    private readonly Dictionary<char, byte> _bytes = [];

    private LegacyEncoding(int codePage)
    {
        Windows = codePage is >= 1250 and <= 1258;
        IsMacRoman = codePage == MacRoman;
        var encoding = codePage == Encoding.Latin1.CodePage ? Encoding.Latin1
            : CodePagesEncodingProvider.Instance.GetEncoding(codePage)
            ?? throw new InvalidOperationException($"Code page {codePage} is unknown.");
        _characters = encoding.GetChars(Enumerable.Range(0, 256).Select(b => (byte)b).ToArray());
        for (var b = 0; b < 256; b++)
        {
            // .NET maps the holes of the Windows encodings into the private use area.
            if (Windows && _characters[b] is >= '\uE000' and <= '\uF8FF') _characters[b] = (char)b;
            // MacRoman's omega is the letter, not the ohm sign, as far as Python is concerned.
            if (_characters[b] == '\u2126') _characters[b] = '\u03A9';
        }

        if (Windows) _characters[Substitute] = '\uFFFD';
        for (var b = 0; b < 256; b++) _bytes[_characters[b]] = (byte)b;
    }

    internal static LegacyEncoding Latin1 { get; } = new(Encoding.Latin1.CodePage);

    internal static LegacyEncoding Windows1252 { get; } = new(1252);

    /// <summary>All of them, in the order in which to try them.</summary>
    internal static IReadOnlyList<LegacyEncoding> All { get; } =
        [Latin1, Windows1252, new(1251), new(1250), new(1253), new(1254), new(1257), new(28592), new(MacRoman), new(437)];

    /// <summary>The encodings in which bytes 80 to FF are mostly letters in Latin-1's places.</summary>
    internal static IReadOnlyList<LegacyEncoding> LikeLatin1 { get; } = [.. All.Where(e => e == Latin1 || e.Windows)];

    internal bool Windows { get; }

    internal bool IsMacRoman { get; }

    internal char Decode(byte b) => _characters[b];

    /// <summary>The bytes that <paramref name="text"/> was decoded from; null when it has a character that this encoding lacks.</summary>
    internal byte[]? TryEncode(string text)
    {
        var bytes = new byte[text.Length];
        for (var i = 0; i < text.Length; i++)
        {
            if (!_bytes.TryGetValue(text[i], out bytes[i])) return null;
        }

        return bytes;
    }
}
