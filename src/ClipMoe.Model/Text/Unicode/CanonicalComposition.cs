using System.Text;

namespace ClipMoe.Model.Text.Unicode;

/// <summary>Unicode normalization form C (UAX #15) over the frozen tables.</summary>
internal static class CanonicalComposition
{
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28, SyllableCount = LeadCount * VowelCount * TailCount;

    /// <summary>
    /// Composes <paramref name="text"/>, which must hold no lone surrogates; returns the same instance when nothing changes.
    /// </summary>
    internal static string Compose(string text)
    {
        if (IsComposed(text)) return text;
        var points = Decompose(text);
        Order(points);
        return Recompose(points);
    }

    private static bool IsComposed(string text)
    {
        // Everything below the combining marks is composed already.
        var start = text.AsSpan().IndexOfAnyInRange('\u0300', '\uFFFF');
        if (start < 0) return true;
        for (var i = start; i < text.Length; i++)
        {
            var c = char.IsHighSurrogate(text[i]) ? char.ConvertToUtf32(text[i], text[++i]) : text[i];
            if (c >= 0x300 && (CharacterTables.MayChangeUnderComposition(c) || c is >= VowelBase and < TailBase + TailCount)) return false;
        }

        return true;
    }

    private static List<int> Decompose(string text)
    {
        var points = new List<int>(text.Length + 8);
        foreach (var rune in text.EnumerateRunes()) Decompose(rune.Value, points);
        return points;
    }

    private static void Decompose(int point, List<int> into)
    {
        var syllable = point - SyllableBase;
        if (syllable is >= 0 and < SyllableCount)
        {
            into.Add(LeadBase + syllable / (VowelCount * TailCount));
            into.Add(VowelBase + syllable % (VowelCount * TailCount) / TailCount);
            if (syllable % TailCount != 0) into.Add(TailBase + syllable % TailCount);
        }
        else if (CharacterTables.Decomposition(point) is { } parts)
        {
            foreach (var part in parts) Decompose(part, into);
        }
        else
        {
            into.Add(point);
        }
    }

    /// <summary>Sorts each run of combining marks by combining class, marks of one class staying in their order.</summary>
    private static void Order(List<int> points)
    {
        for (var start = 0; start < points.Count; start++)
        {
            if (CharacterTables.CombiningClass(points[start]) == 0) continue;
            var end = start;
            while (end < points.Count && CharacterTables.CombiningClass(points[end]) != 0) end++;
            if (end - start > 1)
            {
                var run = points.GetRange(start, end - start).OrderBy(CharacterTables.CombiningClass).ToList();
                for (var i = 0; i < run.Count; i++) points[start + i] = run[i];
            }

            start = end;
        }
    }

    private static string Recompose(List<int> points)
    {
        var composed = new List<int>(points.Count);
        var starter = -1;
        var lastClass = -1;
        foreach (var point in points)
        {
            var combining = CharacterTables.CombiningClass(point);
            // Blocked when a mark of the same or a higher class, or another starter, stands between.
            if (starter >= 0 && lastClass < combining && Pair(composed[starter], point) is var pair and >= 0)
            {
                composed[starter] = pair;
                continue;
            }

            if (combining == 0)
            {
                starter = composed.Count;
                lastClass = -1;
            }
            else
            {
                lastClass = combining;
            }

            composed.Add(point);
        }

        var text = new StringBuilder(composed.Count);
        foreach (var point in composed)
        {
            if (point < 0x10000) text.Append((char)point);
            else text.Append(char.ConvertFromUtf32(point));
        }

        return text.ToString();
    }

    private static int Pair(int first, int second)
    {
        if (first is >= LeadBase and < LeadBase + LeadCount && second is >= VowelBase and < VowelBase + VowelCount)
            return SyllableBase + ((first - LeadBase) * VowelCount + (second - VowelBase)) * TailCount;
        var syllable = first - SyllableBase;
        if (syllable is >= 0 and < SyllableCount && syllable % TailCount == 0 && second is > TailBase and < TailBase + TailCount)
            return first + (second - TailBase);
        return CharacterTables.Composition(first, second);
    }
}
