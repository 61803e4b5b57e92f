using System.Runtime.InteropServices;
using System.Text;

namespace ClipMoe.Model.Text;

/// <summary>
/// Learns a vocabulary from captions by byte-pair encoding (Sennrich et al. 2016): the most frequent pair of neighboring tokens becomes a
/// token, again and again. The same captions give the same vocabulary, in whatever order they come.
/// </summary>
public sealed class VocabularyTrainer
{
    /// <summary>A pair seen once tells nothing about other captions.</summary>
    private const int FewestOccurrences = 2;

    private readonly Dictionary<string, long> _words = [];
    private readonly Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> _wordsBySpan;

    public VocabularyTrainer() => _wordsBySpan = _words.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <inheritdoc cref="Learn"/>
    public static Vocabulary Train(IEnumerable<string> captions, int size)
    {
        var trainer = new VocabularyTrainer();
        foreach (var caption in captions) trainer.Add(caption);
        return trainer.Learn(size);
    }

    /// <summary>Counts the words of a caption, cleaned as the tokenizer cleans it.</summary>
    public void Add(string caption)
    {
        var scanner = new WordScanner(CaptionCleaner.Clean(caption));
        while (scanner.MoveNext())
        {
            if (scanner.Current is not (Vocabulary.StartToken or Vocabulary.EndToken))
                CollectionsMarshal.GetValueRefOrAddDefault(_wordsBySpan, scanner.Current, out _)++;
        }
    }

    /// <summary>
    /// The vocabulary of at most <paramref name="size"/> tokens: fewer when the captions have no more pairs that occur twice.
    /// </summary>
    /// <exception cref="UserErrorException">The size is out of range.</exception>
    public Vocabulary Learn(int size)
    {
        if (size is < Vocabulary.SmallestSize or > Vocabulary.LargestSize)
        {
            throw new UserErrorException(
                $"A vocabulary of {size} tokens cannot be trained: choose {Vocabulary.SmallestSize} (bytes only) to " +
                $"{Vocabulary.LargestSize}.");
        }

        return Vocabulary.FromMerges(new Corpus(_words).Learn(size - Vocabulary.SmallestSize));
    }

    /// <summary>The distinct words as sequences of tokens, and how often each pair of neighbors occurs in them.</summary>
    private sealed class Corpus
    {
        private readonly List<string> _tokens = [];
        private readonly Dictionary<string, int> _ids = [];
        private readonly List<(int[] Tokens, long Count)> _words;
        private readonly Dictionary<(int, int), Occurrences> _pairs = [];
        private readonly PriorityQueue<(int Left, int Right), Priority> _queue = new();

        internal Corpus(IReadOnlyDictionary<string, long> words)
        {
            _words = [.. words.Select(word => (TokensOf(word.Key), word.Value))];
            for (var w = 0; w < _words.Count; w++)
            {
                var (tokens, count) = _words[w];
                for (var i = 1; i < tokens.Length; i++) Occur((tokens[i - 1], tokens[i]), w, count);
            }

            foreach (var pair in _pairs.Keys) Enqueue(pair);
        }

        internal List<Merge> Learn(int most)
        {
            var merges = new List<Merge>(most);
            while (merges.Count < most && _queue.TryDequeue(out var pair, out var priority))
            {
                // Counts that fell since are put back in their place; pairs that rose were enqueued again.
                if (!_pairs.TryGetValue(pair, out var occurrences)) continue;
                if (occurrences.Count != priority.Count)
                {
                    if (occurrences.Count < priority.Count) Enqueue(pair);
                    continue;
                }

                // One way to make a token is enough: a second one would cost an id that nothing ever gets.
                if (_ids.ContainsKey(_tokens[pair.Left] + _tokens[pair.Right])) continue;
                merges.Add(new Merge(_tokens[pair.Left], _tokens[pair.Right]));
                Apply(pair, occurrences);
            }

            return merges;
        }

        private void Apply((int Left, int Right) pair, Occurrences occurrences)
        {
            var merged = IdOf(_tokens[pair.Left] + _tokens[pair.Right]);
            var risen = new HashSet<(int, int)>();
            foreach (var w in occurrences.Words)
            {
                var (tokens, count) = _words[w];
                var rewritten = Rewrite(tokens, pair, merged);
                if (rewritten.Length == tokens.Length) continue;
                for (var i = 1; i < tokens.Length; i++) Occur((tokens[i - 1], tokens[i]), w, -count);
                for (var i = 1; i < rewritten.Length; i++)
                {
                    Occur((rewritten[i - 1], rewritten[i]), w, count);
                    if (rewritten[i - 1] == merged || rewritten[i] == merged) risen.Add((rewritten[i - 1], rewritten[i]));
                }

                _words[w] = (rewritten, count);
            }

            _pairs.Remove(pair);
            foreach (var neighbor in risen) Enqueue(neighbor);
        }

        private static int[] Rewrite(int[] tokens, (int Left, int Right) pair, int merged)
        {
            var rewritten = new List<int>(tokens.Length);
            for (var i = 0; i < tokens.Length; i++)
            {
                if (tokens[i] == pair.Left && i + 1 < tokens.Length && tokens[i + 1] == pair.Right)
                {
                    rewritten.Add(merged);
                    i++;
                }
                else
                {
                    rewritten.Add(tokens[i]);
                }
            }

            return [.. rewritten];
        }

        private void Occur((int, int) pair, int word, long count)
        {
            if (!_pairs.TryGetValue(pair, out var occurrences)) _pairs[pair] = occurrences = new Occurrences();
            occurrences.Count += count;
            if (count > 0) occurrences.Words.Add(word);
        }

        private void Enqueue((int Left, int Right) pair)
        {
            if (!_pairs.TryGetValue(pair, out var occurrences) || occurrences.Count < FewestOccurrences) return;
            _queue.Enqueue(pair, new Priority(occurrences.Count, _tokens[pair.Left], _tokens[pair.Right]));
        }

        private int[] TokensOf(string word)
        {
            var bytes = Encoding.UTF8.GetBytes(word);
            var tokens = new int[bytes.Length];
            for (var i = 0; i < bytes.Length; i++)
                tokens[i] = IdOf(ByteAlphabet.Character(bytes[i]) + (i == bytes.Length - 1 ? Vocabulary.EndOfWord : ""));
            return tokens;
        }

        private int IdOf(string token)
        {
            ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, token, out var known);
            if (known) return id;
            _tokens.Add(token);
            return id = _tokens.Count - 1;
        }
    }

    /// <summary>How often a pair occurs, and in which words it did at some time.</summary>
    private sealed class Occurrences
    {
        internal long Count { get; set; }

        internal HashSet<int> Words { get; } = [];
    }

    /// <summary>The most frequent pair first; of equals the one that sorts first by its text.</summary>
    private readonly record struct Priority(long Count, string Left, string Right) : IComparable<Priority>
    {
        public int CompareTo(Priority other)
        {
            if (Count != other.Count) return other.Count.CompareTo(Count);
            var left = string.CompareOrdinal(Left, other.Left);
            return left != 0 ? left : string.CompareOrdinal(Right, other.Right);
        }
    }
}
