using System.Text;

namespace ClipMoe.Model.Text.Repair;

/// <summary>UTF-8 that lost bytes while it was read in another encoding.</summary>
internal static class DamagedUtf8
{
    private const byte Space = 0x20, NoBreakSpace = 0xA0, Question = 0x3F, Substitute = 0x1A;

    private static readonly byte[][] AGraveWords = [.. new[] { " ", "quele", "quela", "quilo", "s " }.Select(Encoding.ASCII.GetBytes)];

    /// <summary>Puts byte A0 back where a program that saw a no-break space wrote a plain one, if that makes a likely character.</summary>
    internal static byte[] RestoreNoBreakSpaces(byte[] bytes)
    {
        var first = 0;
        while (first < bytes.Length && SpacedLength(bytes.AsSpan(first)) == 0) first++;
        if (first == bytes.Length) return bytes;

        bytes = SeparateAGrave(bytes);
        for (var i = 0; i < bytes.Length;)
        {
            var sequence = bytes.AsSpan(i);
            var length = SpacedLength(sequence);
            sequence[..length].Replace(Space, NoBreakSpace);
            i += Math.Max(1, length);
        }

        return bytes;
    }

    /// <summary>Writes U+FFFD for sequences of which bytes are lost: 1A, or at most one question mark.</summary>
    internal static byte[] ReplaceIncomplete(byte[] bytes)
    {
        if (bytes.AsSpan().IndexOfAny(Substitute, Question) < 0) return bytes;
        var result = new List<byte>(bytes.Length + 16);
        for (var i = 0; i < bytes.Length;)
        {
            var length = IncompleteLength(bytes.AsSpan(i));
            if (length > 0) result.AddRange("\uFFFD"u8);
            else result.Add(bytes[i]);
            i += Math.Max(1, length);
        }

        return [.. result];
    }

    /// <summary>
    /// "Ã la" was "à la": the no-break space and the space behind it had become one. Portuguese words that begin with à have no such space.
    /// </summary>
    private static byte[] SeparateAGrave(byte[] bytes)
    {
        var result = new List<byte>(bytes.Length + 16);
        for (var i = 0; i < bytes.Length; i++)
        {
            result.Add(bytes[i]);
            if (bytes[i] != 0xC3 || i + 1 == bytes.Length || bytes[i + 1] != Space) continue;
            if (!StartsWithAny(bytes.AsSpan(i + 2), AGraveWords)) result.Add(NoBreakSpace);
        }

        return [.. result];
    }

    private static bool StartsWithAny(ReadOnlySpan<byte> bytes, byte[][] words)
    {
        foreach (var word in words)
        {
            if (bytes.StartsWith(word)) return true;
        }

        return false;
    }

    /// <summary>
    /// The length of a sequence at the start of <paramref name="bytes"/> in which one byte is a space that can only have been A0; else 0.
    /// Lead bytes count only where A0 leads to characters in common use: no-break space, à, Š, Π, Р, the Arabic zero.
    /// </summary>
    private static int SpacedLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 2) return 0;
        switch (bytes[0])
        {
            case 0xC2 or 0xC3 or 0xC5 or 0xCE or 0xD0 or 0xD9:
                return bytes[1] == Space ? 2 : 0;
            case >= 0xE0 and <= 0xE3 when bytes.Length >= 3:
                // Behind E0 and E1, A0 would make Samaritan and Mongolian.
                return (bytes[0] >= 0xE2 && bytes[1] == Space && IsLikely(bytes[2])) || (IsLikely(bytes[1]) && bytes[2] == Space) ? 3 : 0;
            case 0xF0 when bytes.Length >= 4:
                var spaces = 0;
                foreach (var b in bytes[1..4])
                {
                    if (b == Space) spaces++;
                    else if (!IsContinuation(b)) return 0;
                }

                return spaces == 1 ? 4 : 0;
            default:
                return 0;
        }
    }

    private static int IncompleteLength(ReadOnlySpan<byte> bytes)
    {
        switch (bytes[0])
        {
            case Substitute:
                return 1;
            case >= 0xC2 and <= 0xDF:
                return bytes.Length >= 2 && (bytes[1] == Substitute || (bytes[1] == Question && bytes[0] <= 0xC3)) ? 2 : 0;
            case 0xED when IsIncompletePair(bytes):
                return 6;
            case >= 0xE0 and <= 0xEF:
                return IsIncomplete(bytes, 3) ? 3 : 0;
            case >= 0xF0 and <= 0xF4:
                return IsIncomplete(bytes, 4) ? 4 : 0;
            default:
                return 0;
        }
    }

    private static bool IsIncomplete(ReadOnlySpan<byte> bytes, int length)
    {
        if (bytes.Length < length) return false;
        var (questions, lost) = (0, 0);
        foreach (var b in bytes[1..length])
        {
            if (!IsLost(b) && !IsContinuation(b)) return false;
            if (IsLost(b)) lost++;
            if (b == Question) questions++;
        }

        return lost > 0 && questions <= 1;
    }

    /// <summary>Two surrogates of three bytes each (CESU-8), of which one lost its last byte.</summary>
    private static bool IsIncompletePair(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 6 && bytes[1] is >= 0xA0 and <= 0xAF && bytes[3] == 0xED && bytes[4] is >= 0xB0 and <= 0xBF
        && (IsLost(bytes[2]) || IsLost(bytes[5])) && (IsLost(bytes[2]) || IsContinuation(bytes[2]))
        && (IsLost(bytes[5]) || IsContinuation(bytes[5]));

    private static bool IsLost(byte b) => b is Substitute or Question;

    private static bool IsContinuation(byte b) => b is >= 0x80 and <= 0xBF;

    private static bool IsLikely(byte b) => IsContinuation(b) && b is not (0x85 or NoBreakSpace);
}
