using ClipMoe.Model.Text;

namespace ClipMoe.Model.Tests.Text;

public sealed class VocabularyTrainerTests
{
    [Fact]
    public void The_most_frequent_pair_is_merged_first()
    {
        // Seven times "ab", five times "cd" at the end of a word; of equals the one that sorts first.
        var vocabulary = VocabularyTrainer.Train(["abx abx aby aby abz", "ab ab", "xcd ycd zcd xcd ycd"], Vocabulary.SmallestSize + 2);
        Assert.Equal([new Merge("a", "b"), new Merge("c", "d</w>")], vocabulary.Merges);
    }

    [Fact]
    public void Merges_build_on_merges()
    {
        var vocabulary = VocabularyTrainer.Train(["banana banana"], Vocabulary.LargestSize);
        var tokenizer = new Tokenizer(vocabulary);
        Assert.Single(tokenizer.Encode("Banana"));
        Assert.Equal(vocabulary.Size - 3, tokenizer.Encode("Banana")[0]);
    }

    [Fact]
    public void The_vocabulary_has_the_size_asked_for_or_what_the_captions_give()
    {
        Assert.Equal(520, VocabularyTrainer.Train(SmallVocabulary.Captions, 520).Size);
        var largest = VocabularyTrainer.Train(SmallVocabulary.Captions, Vocabulary.LargestSize);
        Assert.InRange(largest.Size, 521, Vocabulary.LargestSize - 1);
        Assert.Equal(largest.Size, largest.Tokens.Distinct().Count());
    }

    [Fact]
    public void The_order_of_the_captions_does_not_matter()
    {
        var random = new Random(5);
        var captions = Enumerable.Range(0, 500)
            .Select(_ => SmallVocabulary.Captions[random.Next(SmallVocabulary.Captions.Count)] + (char)random.Next('a', 'z')).ToList();
        var forwards = VocabularyTrainer.Train(captions, 700);
        captions.Reverse();
        Assert.Equal(forwards.Merges, VocabularyTrainer.Train(captions, 700).Merges);
    }

    [Fact]
    public void A_learned_word_of_the_captions_costs_one_token()
    {
        var tokenizer = new Tokenizer(VocabularyTrainer.Train(SmallVocabulary.Captions.Concat(SmallVocabulary.Captions), 1000));
        Assert.All(SmallVocabulary.Captions[0].Split(' '), word => Assert.Single(tokenizer.Encode(word)));
        Assert.NotEmpty(tokenizer.Encode("words that no caption had: 漢字, 😀"));
    }

    [Fact]
    public void The_same_as_counting_from_scratch_after_every_merge()
    {
        var random = new Random(9);
        var words = Enumerable.Range(0, 300)
            .Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => (char)('a' + random.Next(4))))).ToList();
        var learned = VocabularyTrainer.Train([string.Join(' ', words)], Vocabulary.SmallestSize + 60).Merges;
        Assert.Equal(Naive(words, learned.Count), learned);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(513)]
    [InlineData(49409)]
    public void Sizes_out_of_range_are_refused(int size) => Assert.Throws<UserErrorException>(() => VocabularyTrainer.Train(["a"], size));

    private static List<Merge> Naive(List<string> words, int merges)
    {
        var corpus = words.Select(w => w.Select(c => c.ToString()).SkipLast(1).Append(w[^1] + Vocabulary.EndOfWord).ToList()).ToList();
        var known = corpus.SelectMany(w => w).ToHashSet();
        var result = new List<Merge>();
        while (result.Count < merges)
        {
            var best = corpus.SelectMany(w => w.Zip(w.Skip(1), (left, right) => new Merge(left, right)))
                .Where(m => !known.Contains(m.Left + m.Right)).GroupBy(m => m)
                .OrderByDescending(g => g.Count())
                .ThenBy(g => g.Key.Left, StringComparer.Ordinal).ThenBy(g => g.Key.Right, StringComparer.Ordinal).First().Key;
            result.Add(best);
            known.Add(best.Left + best.Right);
            foreach (var word in corpus)
            {
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] != best.Left || word[i + 1] != best.Right) continue;
                    word[i] += word[i + 1];
                    word.RemoveAt(i + 1);
                }
            }
        }

        return result;
    }
}
