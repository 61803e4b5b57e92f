using System.Globalization;
using System.Text;
using System.Text.Json;
using ClipMoe.Model.Text;

namespace ClipMoe.Model.Tests.Text;

/// <summary>The golden rows of <c>tokenizer.json</c>, and a tokenizer of the vocabulary they were made with.</summary>
internal sealed class TokenizerFixture
{
    public const string RowsFile = "tokenizer.json", MergesFile = "bpe_simple_vocab_16e6.txt.gz";

    private static readonly Lazy<Tokenizer> Shared = new(() => Tokenizer.Load(Fixtures.Path(MergesFile)));

    private TokenizerFixture(JsonElement root)
    {
        StartOfText = root.GetProperty("sot").GetInt32();
        EndOfText = root.GetProperty("eot").GetInt32();
        var contexts = root.GetProperty("context_lengths").EnumerateArray().Select(c => c.GetInt32()).ToList();
        Rows =
        [
            .. root.GetProperty("rows").EnumerateArray().Select(row => new Row(
                TextOf(row.GetProperty("text")), TextOf(row.GetProperty("clean")), TextOf(row.GetProperty("decoded")),
                row.GetProperty("n_tokens_untruncated").GetInt32(),
                contexts.ToDictionary(c => c, c => row.GetProperty($"ids_{c}").EnumerateArray().Select(id => id.GetInt32()).ToArray()))),
        ];
    }

    public static Tokenizer Reference => Shared.Value;

    public int StartOfText { get; }

    public int EndOfText { get; }

    public IReadOnlyList<Row> Rows { get; }

    public static TokenizerFixture Load()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Fixtures.Path(RowsFile)));
        return new TokenizerFixture(document.RootElement);
    }

    /// <summary>The value of a JSON string, which unlike <see cref="JsonElement.GetString"/> may hold lone surrogates.</summary>
    private static string TextOf(JsonElement value)
    {
        var raw = value.GetRawText()[1..^1];
        var text = new StringBuilder(raw.Length);
        for (var i = 0; i < raw.Length; i++)
        {
            if (raw[i] != '\\')
            {
                text.Append(raw[i]);
                continue;
            }

            i++;
            if (raw[i] == 'u')
            {
                text.Append((char)int.Parse(raw.AsSpan(i + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                i += 4;
            }
            else
            {
                text.Append(raw[i] switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f', var c => c });
            }
        }

        return text.ToString();
    }

    /// <param name="Ids">By context length, without the padding.</param>
    public sealed record Row(string Text, string Clean, string Decoded, int Untruncated, IReadOnlyDictionary<int, int[]> Ids)
    {
        /// <summary>The text in an assertion's message: one line, ASCII.</summary>
        public override string ToString() => Shown(Text);

        public static string Shown(string text) =>
            string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:x4}"));
    }
}
