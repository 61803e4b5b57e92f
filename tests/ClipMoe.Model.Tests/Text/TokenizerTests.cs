using System.Text;
using ClipMoe.Model.Text;

namespace ClipMoe.Model.Tests.Text;

public sealed class TokenizerTests
{
    private static readonly Tokenizer Tokenizer = SmallVocabulary.Tokenizer;

    [Theory]
    [InlineData("don't we've I'll he's they're I'm she'd", "don 't we 've i 'll he 's they 're i 'm she 'd ")]
    [InlineData("dogs' 'quoted' rock'n'roll", "dogs ' ' quoted ' rock ' n ' roll ")]
    [InlineData("2024: 3.5 kg, #1", "2 0 2 4 : 3 . 5 kg , # 1 ")]
    [InlineData("wait...what?! 's --'s", "wait ... what ?! 's --' s ")]
    [InlineData("naïve Straße 東京 ВОСХОД", "naïve straße 東京 восход ")]
    [InlineData("x²y ½ Ⅷ ①", "x ² y ½ ⅷ ① ")]
    [InlineData("👍🏽 go👩\u200D🚀go", "👍🏽 go 👩\u200D🚀 go ")]
    [InlineData("'ſ ﬅop", "'ſ ſtop ")]
    [InlineData("a\u0345b", "a b ")]
    [InlineData("no\u00A0break\u2003space\u3000wide", "no break space wide ")]
    [InlineData("x<|endoftext|> <|ENDOFTEXT|><|endoftext", "x <|endoftext|><|endoftext|><| endoftext ")]
    public void Words_end_where_the_references_pattern_ends_them(string text, string words) =>
        Assert.Equal(words, Tokenizer.Decode(Tokenizer.Encode(text)));

    [Theory]
    [InlineData("ΌΔΟΣ Σ ΣΑΣ", "όδος σ σας")]
    [InlineData("İSTANBUL", "i\u0307stanbul")]
    [InlineData("  A\t\nB  ", "a b")]
    [InlineData("Tom &amp;amp; Jerry &lt;3", "tom & jerry <3")]
    [InlineData("&copy 2024 &notit; &#128; &#x110000; &#0;", "© 2024 ¬it; € \uFFFD \uFFFD")]
    [InlineData("\U00010400\U0001E900", "\U00010428\U0001E922")]
    public void Captions_are_cleaned_as_Python_does(string text, string clean) => Assert.Equal(clean, Tokenizer.Clean(text));

    [Fact]
    public void A_row_holds_start_tokens_end_and_zeros()
    {
        var tokens = Tokenizer.Encode("a red circle");
        var row = Enumerable.Repeat(-1, tokens.Length + 5).ToArray();

        var count = Tokenizer.Encode("a red circle", row);

        Assert.Equal(tokens.Length + 2, count);
        Assert.Equal([Tokenizer.StartOfText, .. tokens, Tokenizer.EndOfText, 0, 0, 0], row);
        Assert.Equal([Tokenizer.VocabularySize - 2, Tokenizer.VocabularySize - 1], [Tokenizer.StartOfText, Tokenizer.EndOfText]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(30)]
    public void A_text_that_is_too_long_is_cut_and_keeps_its_end(int kept)
    {
        var text = string.Join(' ', SmallVocabulary.Captions);
        var row = new int[kept + 2];

        Assert.Equal(row.Length, Tokenizer.Encode(text, row));
        Assert.Equal([Tokenizer.StartOfText, .. Tokenizer.Encode(text)[..kept], Tokenizer.EndOfText], row);
    }

    [Fact]
    public void Known_text_comes_back_from_its_tokens()
    {
        foreach (var caption in SmallVocabulary.Captions)
        {
            var back = Tokenizer.Decode(Tokenizer.Encode(caption));
            Assert.Equal(Tokenizer.Clean(caption).Replace(" ", ""), back.Replace(" ", ""));
        }
    }

    [Fact]
    public void An_id_beyond_the_vocabulary_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Tokenizer.Decode([Tokenizer.VocabularySize]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Tokenizer.Decode([-1]));
    }

    [Fact]
    public void Any_UTF16_is_encoded_and_any_ids_are_decoded()
    {
        var random = new Random(7);
        var row = new int[77];
        for (var i = 0; i < 5_000; i++)
        {
            var text = RandomText(random);
            var tokens = Tokenizer.Encode(text);
            Assert.All(tokens, t => Assert.InRange(t, 0, Tokenizer.EndOfText));
            Assert.InRange(Tokenizer.Encode(text, row), 2, row.Length);
            // What was cleaned once has only valid UTF-16 in it, so its bytes survive.
            Assert.Equal(Tokenizer.Decode(tokens).Contains('\uFFFD'), Tokenizer.Clean(text).Contains('\uFFFD'));
            _ = Tokenizer.Decode(Enumerable.Range(0, 8).Select(_ => random.Next(Tokenizer.VocabularySize)).ToArray());
        }
    }

    [Theory]
    [InlineData("a")]
    [InlineData("&amp;")]
    [InlineData("Ã©")]
    [InlineData("\u0301\u0323")]
    [InlineData("&#")]
    [InlineData("\u001B[1")]
    [InlineData("ГўВЂВ")]
    public void Long_runs_of_the_same_are_no_way_to_stop_a_loader(string piece)
    {
        var text = string.Concat(Enumerable.Repeat(piece, 100_000));
        Assert.NotEmpty(Tokenizer.Encode(text));
    }

    [Fact]
    public void Threads_share_one_tokenizer()
    {
        // More words than are remembered, so that the memory is emptied meanwhile.
        var texts = Enumerable.Range(0, 3000).Select(i => string.Join(' ', Enumerable.Range(0, 30).Select(w => Name(i * 30 + w))))
            .ToArray();
        var alone = texts.Select(new Tokenizer(SmallVocabulary.Vocabulary).Encode).ToArray();
        var shared = new Tokenizer(SmallVocabulary.Vocabulary);
        var together = new int[2][][];
        Parallel.For(0, together.Length, t => together[t] = [.. texts.Select(shared.Encode)]);

        Assert.All(together, results => Assert.Equal(alone, results));
    }

    private static string Name(int number)
    {
        var name = new StringBuilder();
        for (var n = number + 1; n > 0; n /= 26) name.Append((char)('a' + n % 26));
        return name.ToString();
    }

    private static string RandomText(Random random)
    {
        string[] pieces =
            ["&", "&#x", ";", "\uD83D", "\uDE00", "😀", "Ã", "©", "â€™", "\n", "\u001B[", "0m", "<|endoftext|>", "'s", "Σ", "\u0345", " "];
        return string.Concat(Enumerable.Range(0, random.Next(1, 20)).Select(_ =>
            random.Next(2) == 0 ? pieces[random.Next(pieces.Length)] : ((char)random.Next(0x10000)).ToString()));
    }
}
