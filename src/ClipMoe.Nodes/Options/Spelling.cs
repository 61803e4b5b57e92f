namespace ClipMoe.Nodes.Options;

/// <summary>Finds the word that a misspelling may stand for.</summary>
internal static class Spelling
{
    /// <summary>The candidate with the fewest typing errors between it and the word; null when all are too far away.</summary>
    public static string? Nearest(string word, IEnumerable<string> candidates)
    {
        var (best, fewest) = ((string?)null, Math.Max(1, word.Length / 3) + 1);
        foreach (var candidate in candidates)
        {
            if (Math.Abs(candidate.Length - word.Length) >= fewest) continue;
            var errors = Distance(word, candidate);
            if (errors < fewest) (best, fewest) = (candidate, errors);
        }
        return best;
    }

    /// <summary>Optimal string alignment distance: letters left out, added, changed, and neighbors swapped.</summary>
    private static int Distance(string a, string b)
    {
        var distance = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                distance[i, j] = (i, j) switch
                {
                    (0, _) => j,
                    (_, 0) => i,
                    _ => Math.Min(
                        Math.Min(distance[i - 1, j], distance[i, j - 1]) + 1,
                        distance[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)),
                };
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    distance[i, j] = Math.Min(distance[i, j], distance[i - 2, j - 2] + 1);
            }
        }
        return distance[a.Length, b.Length];
    }
}
