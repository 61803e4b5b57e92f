using System.Collections.Concurrent;
using System.Text;

namespace ClipMoe.Model.Text;

/// <summary>
/// CLIP's byte-pair tokenizer (<c>SimpleTokenizer</c> and <c>tokenize</c> of the reference), id for id. Safe for any number of threads.
/// </summary>
public sealed class Tokenizer
{
    /// <summary>Longer words hardly come back, and would fill the memory.</summary>
    private const int LongestRememberedWord = 40;

    private const int MostRememberedWords = 1 << 16;

    private readonly BytePairEncoder _encoder;
    private readonly ConcurrentDictionary<string, int[]> _words;
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _wordsBySpan;
    private readonly int[] _start, _end;
    private int _remembered;

    public Tokenizer(Vocabulary vocabulary)
    {
        Vocabulary = vocabulary;
        _encoder = new BytePairEncoder(vocabulary);
        _words = new ConcurrentDictionary<string, int[]>(StringComparer.Ordinal);
        _wordsBySpan = _words.GetAlternateLookup<ReadOnlySpan<char>>();
        _start = [StartOfText];
        _end = [EndOfText];
    }

    public Vocabulary Vocabulary { get; }

    public int VocabularySize => Vocabulary.Size;

    public int StartOfText => Vocabulary.StartOfText;

    public int EndOfText => Vocabulary.EndOfText;

    /// <inheritdoc cref="Vocabulary.Load"/>
    public static Tokenizer Load(string path) => new(Vocabulary.Load(path));

    /// <summary>The caption as the tokenizer sees it: repaired, unescaped, single spaces, lower case.</summary>
    public static string Clean(string text) => CaptionCleaner.Clean(text);

    /// <summary>All tokens of a text, without start and end. Any UTF-16 is accepted; lone surrogates count as U+FFFD.</summary>
    public int[] Encode(string text)
    {
        var tokens = new List<int>(text.Length / 4 + 4);
        var scanner = new WordScanner(CaptionCleaner.Clean(text));
        while (scanner.MoveNext()) tokens.AddRange(TokensOf(scanner.Current));
        return [.. tokens];
    }

    /// <summary>
    /// Fills a row of the text tower's input: start, tokens, end, zeros; of a longer text the tokens that fit, and the end.
    /// </summary>
    /// <param name="context">As many tokens as the model's context has; at least 2.</param>
    /// <returns>How many tokens the row holds, with start and end.</returns>
    public int Encode(string text, Span<int> context)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context.Length, 2);
        context[0] = StartOfText;
        var count = 1;
        var scanner = new WordScanner(CaptionCleaner.Clean(text));
        while (count < context.Length - 1 && scanner.MoveNext())
        {
            var tokens = TokensOf(scanner.Current).AsSpan();
            tokens = tokens[..Math.Min(tokens.Length, context.Length - 1 - count)];
            tokens.CopyTo(context[count..]);
            count += tokens.Length;
        }

        context[count++] = EndOfText;
        context[count..].Clear();
        return count;
    }

    /// <summary>The text that tokens stand for; bytes that are no UTF-8 become U+FFFD. A space follows each word.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> tokens)
    {
        var bytes = new List<byte>(tokens.Length * 4);
        foreach (var token in tokens)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(token);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, VocabularySize);
            foreach (var character in Vocabulary.Tokens[token])
            {
                if (ByteAlphabet.TryGetByte(character, out var value)) bytes.Add(value);
            }
        }

        return Encoding.UTF8.GetString(bytes.ToArray()).Replace(Vocabulary.EndOfWord, " ");
    }

    private int[] TokensOf(ReadOnlySpan<char> word)
    {
        if (_wordsBySpan.TryGetValue(word, out var tokens)) return tokens;
        // The marks in a caption stand for themselves, as in the reference.
        if (word is Vocabulary.StartToken) return _start;
        if (word is Vocabulary.EndToken) return _end;
        tokens = _encoder.Encode(Encoding.UTF8.GetBytes(word.ToString()));
        if (word.Length <= LongestRememberedWord) Remember(word.ToString(), tokens);
        return tokens;
    }

    private void Remember(string word, int[] tokens)
    {
        if (!_words.TryAdd(word, tokens) || Interlocked.Increment(ref _remembered) < MostRememberedWords) return;
        // Starting over costs less than finding out which words are the oldest.
        Interlocked.Exchange(ref _remembered, 0);
        _words.Clear();
    }
}
