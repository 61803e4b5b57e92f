using ClipMoe.Model.Architecture;

namespace ClipMoe.Model.Text;

/// <summary>Two tokens that become one wherever they stand side by side; earlier merges go first.</summary>
public readonly record struct Merge(string Left, string Right);

/// <summary>A byte-pair vocabulary as CLIP's: tokens by id, and the merges that make them.</summary>
/// <remarks>
/// Tokens are written in the byte alphabet; the last token of a word ends in <see cref="EndOfWord"/>. The last two ids are the start and
/// the end of a text, so that the end, at which the text tower takes its features, has the highest id.
/// </remarks>
public sealed class Vocabulary
{
    public const string EndOfWord = "</w>", StartToken = "<|startoftext|>", EndToken = "<|endoftext|>";

    /// <summary>256 bytes, inside and at the end of a word, and the two marks.</summary>
    public const int SmallestSize = 2 * 256 + 2;

    /// <summary>The reference reads no further in its file of merges.</summary>
    public const int LargestSize = 49152 + 256;

    /// <param name="tokens">By id; the last two are <see cref="StartToken"/> and <see cref="EndToken"/>.</param>
    /// <param name="merges">Best first.</param>
    internal Vocabulary(IReadOnlyList<string> tokens, IReadOnlyList<Merge> merges)
    {
        Tokens = tokens;
        Merges = merges;
    }

    public IReadOnlyList<string> Tokens { get; }

    public IReadOnlyList<Merge> Merges { get; }

    public int Size => Tokens.Count;

    public int StartOfText => Size - 2;

    public int EndOfText => Size - 1;

    /// <summary>Reads a vocabulary file of OpenAI's or Hugging Face's format.</summary>
    /// <param name="path">
    /// OpenAI's <c>bpe_simple_vocab_16e6.txt.gz</c> (also unpacked, or of another size), a folder with <c>vocab.json</c> and
    /// <c>merges.txt</c>, or either of these two.
    /// </param>
    /// <exception cref="UserErrorException">The file is missing, damaged, or of another kind.</exception>
    public static Vocabulary Load(string path) => VocabularyFile.Load(path);

    /// <summary>Ids of another vocabulary would mean other words to a model, or lie outside of its embedding.</summary>
    /// <param name="checkpoint">Path of the model, for the message.</param>
    /// <exception cref="UserErrorException">The model embeds another number of tokens.</exception>
    public void RequireFits(ClipConfig model, string checkpoint)
    {
        if (model.VocabularySize == Size) return;
        throw new UserErrorException(
            $"the vocabulary has {Size} tokens, but {checkpoint} embeds {model.VocabularySize}: set data.vocabulary to the one that it " +
            $"was trained with.");
    }

    /// <summary>The vocabulary in OpenAI's order: bytes, bytes at the end of a word, one token for each merge, start and end.</summary>
    public static Vocabulary FromMerges(IReadOnlyList<Merge> merges)
    {
        var tokens = new List<string>(SmallestSize + merges.Count);
        tokens.AddRange(ByteAlphabet.InVocabularyOrder.Select(c => c.ToString()));
        tokens.AddRange(ByteAlphabet.InVocabularyOrder.Select(c => c + EndOfWord));
        tokens.AddRange(merges.Select(m => m.Left + m.Right));
        tokens.Add(StartToken);
        tokens.Add(EndToken);
        return new Vocabulary(tokens, merges);
    }

    /// <summary>Writes the merges in OpenAI's format, atomically; packed when the name ends in <c>.gz</c>.</summary>
    /// <exception cref="IOException">The file cannot be written; the message says where and why.</exception>
    public void Save(string path) => VocabularyFile.Save(this, path);
}
