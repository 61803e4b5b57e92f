using System.IO.Compression;
using System.Text.Json;
using ClipMoe.Model.Tests.Checkpoints;
using ClipMoe.Model.Text;
using static ClipMoe.Model.Tests.Text.TokenizerFixture;

namespace ClipMoe.Model.Tests.Text;

[Trait("Category", "Parity")]
public sealed class TokenizerParityTests
{
    [FixtureFact(RowsFile, MergesFile)]
    public void Every_row_has_the_references_ids_at_every_context_length()
    {
        var fixture = Load();
        Assert.Equal((fixture.StartOfText, fixture.EndOfText), (Reference.StartOfText, Reference.EndOfText));
        Assert.All(fixture.Rows, row =>
        {
            Assert.All(row.Ids, ids => Assert.Equal(Padded(ids.Value, ids.Key), Encoded(row.Text, ids.Key)));
            Assert.Equal(row.Untruncated, Reference.Encode(row.Text).Length + 2);
        });
    }

    [FixtureFact(RowsFile)]
    public void Every_row_is_cleaned_as_by_the_reference() =>
        Assert.All(Load().Rows, row => Assert.Equal(Row.Shown(row.Clean), Row.Shown(Tokenizer.Clean(row.Text))));

    [FixtureFact(RowsFile, MergesFile)]
    public void Every_row_decodes_as_by_the_reference() =>
        Assert.All(Load().Rows, row => Assert.Equal(Row.Shown(row.Decoded), Row.Shown(Reference.Decode(Reference.Encode(row.Text)))));

    [FixtureFact(RowsFile, MergesFile)]
    public void The_two_files_of_Hugging_Face_give_the_same_ids()
    {
        using var folder = new TemporaryFolder();
        var ids = Reference.Vocabulary.Tokens.Select((token, id) => (token, id)).ToDictionary(t => t.token, t => t.id);
        File.WriteAllText(folder.File("vocab.json"), JsonSerializer.Serialize(ids));
        File.WriteAllLines(folder.File("merges.txt"), Reference.Vocabulary.Merges.Select(m => $"{m.Left} {m.Right}")
            .Prepend("#version: 0.2"));

        foreach (var path in (string[])[folder.Path, folder.File("vocab.json"), folder.File("merges.txt")])
        {
            var tokenizer = Tokenizer.Load(path);
            Assert.Equal((Reference.StartOfText, Reference.EndOfText), (tokenizer.StartOfText, tokenizer.EndOfText));
            Assert.All(Load().Rows, row => Assert.Equal(Reference.Encode(row.Text), tokenizer.Encode(row.Text)));
        }
    }

    [FixtureFact(MergesFile)]
    public void The_unpacked_file_is_the_same_vocabulary()
    {
        using var folder = new TemporaryFolder();
        using (var packed = new GZipStream(File.OpenRead(Fixtures.Path(MergesFile)), CompressionMode.Decompress))
        using (var unpacked = File.Create(folder.File("vocabulary.txt")))
            packed.CopyTo(unpacked);

        Assert.Equal(Reference.Vocabulary.Tokens, Vocabulary.Load(folder.File("vocabulary.txt")).Tokens);
    }

    private static int[] Padded(int[] ids, int context)
    {
        Array.Resize(ref ids, context);
        return ids;
    }

    private static int[] Encoded(string text, int context)
    {
        // What the row held before must not shine through.
        var ids = Enumerable.Repeat(-1, context).ToArray();
        Reference.Encode(text, ids);
        return ids;
    }
}
