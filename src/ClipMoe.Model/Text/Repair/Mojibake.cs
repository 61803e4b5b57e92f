using System.Buffers;
using System.Text;
using ClipMoe.Model.Text.Unicode;

namespace ClipMoe.Model.Text.Repair;

/// <summary>
/// Takes back the reading of UTF-8 in another encoding: encodes the text in each encoding that has all of its characters, and keeps the
/// first result that is UTF-8. Text in which only parts are garbled is repaired part by part.
/// </summary>
internal static class Mojibake
{
    /// <summary>Continuation bytes that stand for themselves too often to tell that garble continues before them.</summary>
    private const string AmbiguousContinuations = "\u2013\u2014\u2015‘’‚“”„•…";

    private static readonly SearchValues<char> StrictContinuations = Characters(b => b is >= 0x80 and <= 0xBF,
        except: AmbiguousContinuations);

    /// <summary>With the plain space, into which a no-break space (byte A0) is often turned on the way.</summary>
    private static readonly SearchValues<char> Continuations = Characters(b => b is >= 0x80 and <= 0xBF, and: " ");

    /// <summary>
    /// What the first byte of a two-, three- and four-byte sequence looks like; of the last, F0 (most emoji) and F3 (tags) alone.
    /// </summary>
    private static readonly (SearchValues<char> Lead, int Length)[] Leads =
    [
        (Characters(b => b is >= 0xC2 and <= 0xDF), 2),
        (Characters(b => b is >= 0xE0 and <= 0xEF), 3),
        (Characters(b => b is 0xF0 or 0xF3), 4),
    ];

    /// <summary>Repairs until nothing changes; text that was garbled twice takes two rounds.</summary>
    internal static string Repair(string text)
    {
        while (true)
        {
            var repaired = RepairOnce(text);
            if (repaired == text) return text;
            text = repaired;
        }
    }

    private static string RepairOnce(string text)
    {
        if (Ascii.IsValid(text) || !MojibakeSigns.Any(text)) return text;
        foreach (var encoding in LegacyEncoding.All)
        {
            if (encoding.TryEncode(text) is { } bytes && DecodeUtf8(bytes, encoding) is { } decoded) return decoded;
        }

        if (RepairParts(text) is var parts && parts != text) return parts;
        return ReadAsWindows(text);
    }

    private static string? DecodeUtf8(byte[] bytes, LegacyEncoding encoding)
    {
        // In MacRoman a space for byte A0 would match an en dash and a space, which people do write.
        if (!encoding.IsMacRoman) bytes = DamagedUtf8.RestoreNoBreakSpaces(bytes);
        if (encoding.Windows) bytes = DamagedUtf8.ReplaceIncomplete(bytes);
        return Utf8Variants.TryDecode(bytes);
    }

    /// <summary>Repairs each run of characters that looks like UTF-8 by itself.</summary>
    private static string RepairParts(string text)
    {
        StringBuilder? result = null;
        var done = 0;
        for (var i = 0; i < text.Length;)
        {
            var length = i > 0 && StrictContinuations.Contains(text[i - 1]) ? 0 : SequencesLength(text, i);
            if (length == 0)
            {
                i++;
                continue;
            }

            var part = text.AsSpan(i, length);
            // The whole text has just been tried.
            if (length < text.Length && MojibakeSigns.Any(part))
            {
                (result ??= new StringBuilder(text.Length)).Append(text, done, i - done).Append(Repair(part.ToString()));
                done = i + length;
            }

            i += length;
        }

        return result?.Append(text, done, text.Length - done).ToString() ?? text;
    }

    /// <summary>The length of the longest run of what looks like UTF-8 sequences at <paramref name="start"/>.</summary>
    private static int SequencesLength(string text, int start)
    {
        var end = start;
        while (SequenceLength(text, end) is > 0 and var length) end += length;
        return end - start;
    }

    private static int SequenceLength(string text, int start)
    {
        if (start == text.Length) return 0;
        foreach (var (lead, length) in Leads)
        {
            if (!lead.Contains(text[start]) || start + length > text.Length) continue;
            var following = 1;
            while (following < length && Continuations.Contains(text[start + following])) following++;
            if (following == length) return length;
        }

        return 0;
    }

    /// <summary>C1 controls are of no use in a text: they were meant as Windows-1252.</summary>
    private static string ReadAsWindows(string text) =>
        string.Create(text.Length, text, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
                span[i] = source[i] is >= '\x80' and <= '\x9F' ? LegacyEncoding.Windows1252.Decode((byte)source[i]) : source[i];
        });

    /// <summary>What the chosen bytes look like in any of the encodings that resemble Latin-1.</summary>
    private static SearchValues<char> Characters(Func<int, bool> chosen, string and = "", string except = "")
    {
        var bytes = Enumerable.Range(0, 256).Where(chosen).Select(b => (byte)b).ToArray();
        var characters = LegacyEncoding.LikeLatin1.SelectMany(encoding => bytes.Select(encoding.Decode));
        return SearchValues.Create(string.Concat(characters.Concat(and).Distinct().Except(except)));
    }
}
