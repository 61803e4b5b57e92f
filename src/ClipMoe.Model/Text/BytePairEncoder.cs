namespace ClipMoe.Model.Text;

/// <summary>Merges the bytes of one word into tokens, best merge first.</summary>
internal sealed class BytePairEncoder
{
    /// <summary>Ids of single bytes inside a word, and at its end.</summary>
    private readonly int[] _inside = new int[256], _atEnd = new int[256];

    private readonly Dictionary<(int Left, int Right), (int Rank, int Token)> _merges = [];

    internal BytePairEncoder(Vocabulary vocabulary)
    {
        // Where two merges make the same token, the later id is the one in use, as in the reference.
        var ids = new Dictionary<string, int>(vocabulary.Size);
        for (var id = 0; id < vocabulary.Size; id++) ids[vocabulary.Tokens[id]] = id;
        for (var b = 0; b < 256; b++)
        {
            var character = ByteAlphabet.Character((byte)b).ToString();
            _inside[b] = ids[character];
            _atEnd[b] = ids[character + Vocabulary.EndOfWord];
        }

        for (var rank = 0; rank < vocabulary.Merges.Count; rank++)
        {
            var (left, right) = vocabulary.Merges[rank];
            _merges[(ids[left], ids[right])] = (rank, ids[left + right]);
        }
    }

    /// <summary>
    /// The tokens of a word given as UTF-8. Takes n log n steps, so a megabyte without a space is no way to stop a loader.
    /// </summary>
    internal int[] Encode(ReadOnlySpan<byte> word)
    {
        var symbols = new int[word.Length];
        for (var i = 0; i < word.Length; i++) symbols[i] = _inside[word[i]];
        symbols[^1] = _atEnd[word[^1]];
        if (symbols.Length == 1) return symbols;

        var chain = new Chain(symbols);
        var queue = new PriorityQueue<Candidate, (int Rank, int Position)>();
        var found = new List<Candidate>();
        for (var i = 0; i < symbols.Length - 1; i++) Enqueue(queue, Find(symbols, i, i + 1));
        while (queue.TryPeek(out _, out var best))
        {
            // All occurrences of the best pair merge from left to right before any pair that they bring about is looked at.
            found.Clear();
            while (queue.TryPeek(out var candidate, out var priority) && priority.Rank == best.Rank)
            {
                queue.Dequeue();
                if (!chain.Merge(candidate)) continue;
                if (chain.Previous(candidate.Position) is >= 0 and var previous) found.Add(Find(symbols, previous, candidate.Position));
                if (chain.Next(candidate.Position) is >= 0 and var next) found.Add(Find(symbols, candidate.Position, next));
            }

            foreach (var candidate in found) Enqueue(queue, candidate);
        }

        return chain.Symbols();
    }

    private Candidate Find(int[] symbols, int left, int right) => _merges.TryGetValue((symbols[left], symbols[right]), out var merge)
        ? new Candidate(left, symbols[left], symbols[right], merge.Rank, merge.Token)
        : new Candidate(left, symbols[left], symbols[right], -1, -1);

    private static void Enqueue(PriorityQueue<Candidate, (int, int)> queue, Candidate candidate)
    {
        if (candidate.Rank >= 0) queue.Enqueue(candidate, (candidate.Rank, candidate.Position));
    }

    /// <summary>A pair of neighbors that can merge, as it was when it was found.</summary>
    private readonly record struct Candidate(int Position, int Left, int Right, int Rank, int Token);

    /// <summary>The word's symbols as a list from which merged ones drop out; a symbol keeps its position in the array.</summary>
    private sealed class Chain
    {
        private const int Gone = -1;

        private readonly int[] _symbols, _previous, _next;

        internal Chain(int[] symbols)
        {
            _symbols = symbols;
            _previous = new int[symbols.Length];
            _next = new int[symbols.Length];
            for (var i = 0; i < symbols.Length; i++)
            {
                _previous[i] = i - 1;
                _next[i] = i + 1 < symbols.Length ? i + 1 : -1;
            }
        }

        internal int Previous(int position) => _previous[position];

        internal int Next(int position) => _next[position];

        /// <summary>False when one of the two has gone into another merge meanwhile.</summary>
        internal bool Merge(Candidate candidate)
        {
            var (left, right) = (candidate.Position, _next[candidate.Position]);
            if (_symbols[left] != candidate.Left || right < 0 || _symbols[right] != candidate.Right) return false;
            _symbols[left] = candidate.Token;
            _symbols[right] = Gone;
            _next[left] = _next[right];
            if (_next[right] >= 0) _previous[_next[right]] = left;
            return true;
        }

        internal int[] Symbols() => [.. _symbols.Where(s => s != Gone)];
    }
}
