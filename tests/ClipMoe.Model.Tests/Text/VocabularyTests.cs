using System.IO.Compression;
using System.Text;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Tests.Checkpoints;
using ClipMoe.Model.Text;

namespace ClipMoe.Model.Tests.Text;

public sealed class VocabularyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("vocabulary.txt")]
    [InlineData("vocabulary.txt.gz")]
    public void What_is_saved_is_loaded(string name)
    {
        SmallVocabulary.Vocabulary.Save(_folder.File(name));

        var loaded = Vocabulary.Load(_folder.File(name));

        Assert.Equal(SmallVocabulary.Vocabulary.Tokens, loaded.Tokens);
        Assert.Equal(SmallVocabulary.Vocabulary.Merges, loaded.Merges);
        Assert.Equal(name.EndsWith(".gz"), File.ReadAllBytes(_folder.File(name)) is [0x1F, 0x8B, ..]);
    }

    [Fact]
    public void A_missing_vocabulary_is_named()
    {
        var path = _folder.File("nothing.gz");
        Assert.Contains(path, Error(path));
        Assert.Contains("vocab.json", Error(_folder.Path));
    }

    [Theory]
    [InlineData("", "#version")]
    [InlineData("a b\n", "#version")]
    [InlineData("#version: 0.2\na b c\n", "line 2")]
    [InlineData("#version: 0.2\na b\nab\n", "line 3")]
    [InlineData("#version: 0.2\na b\n\na c\n", "line 3")]
    [InlineData("#version: 0.2\na b\nabc d\n", "\"abc\"")]
    [InlineData("#version: 0.2\na \u4E00\n", "\"\u4E00\"")]
    public void Damaged_lines_are_named(string content, string part)
    {
        File.WriteAllText(_folder.File("v.txt"), content);
        Assert.Contains(part, Error(_folder.File("v.txt")));
    }

    [Fact]
    public void A_packed_file_that_is_cut_anywhere_is_refused()
    {
        SmallVocabulary.Vocabulary.Save(_folder.File("v.gz"));
        var whole = File.ReadAllBytes(_folder.File("v.gz"));
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(_folder.File("cut.gz"), whole[..length]);
            Error(_folder.File("cut.gz"));
        }
    }

    [Fact]
    public void A_packed_file_with_a_flipped_bit_never_gives_another_vocabulary()
    {
        SmallVocabulary.Vocabulary.Save(_folder.File("v.gz"));
        var random = new Random(3);
        var refused = 0;
        for (var i = 0; i < 300; i++)
        {
            var flipped = File.ReadAllBytes(_folder.File("v.gz"));
            flipped[random.Next(flipped.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(_folder.File("flipped.gz"), flipped);
            // Some bits say nothing about the content: the time in the header, the padding behind the last symbol.
            var error = Record.Exception(() => Assert.Equal(SmallVocabulary.Vocabulary.Tokens,
                Vocabulary.Load(_folder.File("flipped.gz")).Tokens));
            if (error is null) continue;
            Assert.IsType<UserErrorException>(error);
            refused++;
        }

        Assert.InRange(refused, 200, 300);
    }

    [Fact]
    public void A_packed_file_that_unpacks_to_too_much_is_refused()
    {
        using (var packed = new GZipStream(File.Create(_folder.File("bomb.gz")), CompressionLevel.Fastest))
        {
            var block = Encoding.ASCII.GetBytes(new string('#', 1 << 20));
            for (var i = 0; i < 80; i++) packed.Write(block);
        }

        Assert.Contains("larger", Error(_folder.File("bomb.gz")));
    }

    [Fact]
    public void A_file_that_is_no_text_is_refused()
    {
        File.WriteAllBytes(_folder.File("v.bin"), [.. "#version"u8, 0xFF, 0xFE, 0x00]);
        Assert.Contains("UTF-8", Error(_folder.File("v.bin")));
    }

    [Theory]
    [InlineData("[1]", "object")]
    [InlineData("{\"a\": 0, ", "JSON")]
    [InlineData("{\"a\": 0, \"b\": 0}", "\"b\"")]
    [InlineData("{\"a\": 0, \"b\": 5}", "\"b\"")]
    [InlineData("{\"a\": 99999999999999}", "\"a\"")]
    [InlineData("{\"a\": 0, \"b\": 1}", "endoftext")]
    [InlineData("{\"<|startoftext|>\": 0, \"<|endoftext|>\": 1}", "missing")]
    [InlineData("{\"\u4E00\": 0, \"<|startoftext|>\": 1, \"<|endoftext|>\": 2}", "byte alphabet")]
    public void Damaged_Hugging_Face_vocabularies_are_named(string json, string part)
    {
        File.WriteAllText(_folder.File("vocab.json"), json);
        File.WriteAllText(_folder.File("merges.txt"), "#version: 0.2\n");
        Assert.Contains(part, Error(_folder.Path));
    }

    [Fact]
    public void Merges_without_their_tokens_are_named()
    {
        File.WriteAllText(_folder.File("merges.txt"), "#version: 0.2\na b\n");
        Assert.Contains("vocab.json", Error(_folder.File("merges.txt")));

        var bytes = Vocabulary.FromMerges([]).Tokens.Select((token, id) => (token, id)).ToDictionary(t => t.token, t => t.id);
        File.WriteAllText(_folder.File("vocab.json"), System.Text.Json.JsonSerializer.Serialize(bytes));
        Assert.Contains("\"ab\"", Error(_folder.File("merges.txt")));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void A_model_that_embeds_another_number_of_tokens_is_refused(int more)
    {
        var vocabulary = Vocabulary.FromMerges([]);
        var model = ClipConfig.Named("tiny") with { VocabularySize = vocabulary.Size };
        vocabulary.RequireFits(model, "base.pt");
        var other = model with { VocabularySize = vocabulary.Size + more };
        var error = Assert.Throws<UserErrorException>(() => vocabulary.RequireFits(other, "base.pt")).Message;
        Assert.Contains($"the vocabulary has {vocabulary.Size} tokens, but base.pt embeds {vocabulary.Size + more}", error);
    }

    private static string Error(string path) => Assert.Throws<UserErrorException>(() => Vocabulary.Load(path)).Message;
}
