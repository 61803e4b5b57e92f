using System.Text;
using System.Text.Json;
using ClipMoe.Model.Text;

namespace ClipMoe.Nodes.Tests.Commands;

/// <summary><c>clipmoe tokenize</c>, <c>clipmoe tokenizer train</c> and <c>clipmoe bench tokenizer</c>.</summary>
public sealed class TokenizerCommandTests : IDisposable
{
    private static readonly string[] Captions = ["a red circle", "a red square & a blue circle", "", "Ünïcode – “quoted”"];

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public TokenizerCommandTests() => VocabularyTrainer.Train(Captions, 600).Save(Vocabulary);

    private string Vocabulary => Path.Combine(_folder, "vocabulary.txt.gz");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Each_line_of_the_input_becomes_one_array()
    {
        var outcome = Cli.Run(Encoding.UTF8.GetBytes(string.Join('\n', Captions)), ["tokenize", "--vocab", Vocabulary]);

        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        var tokenizer = Tokenizer.Load(Vocabulary);
        Assert.Equal(
            Captions.Select(c => (int[])[tokenizer.StartOfText, .. tokenizer.Encode(c), tokenizer.EndOfText]),
            outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<int[]>(line)!));
    }

    [Fact]
    public void A_file_is_read_cut_and_padded_on_demand()
    {
        var file = Path.Combine(_folder, "captions.txt");
        File.WriteAllLines(file, Captions);

        var outcome = Cli.Run("tokenize", "--vocab", Vocabulary, "--context", "5", "--pad", file);

        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        var rows = outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize<int[]>(line)!).ToList();
        var tokenizer = Tokenizer.Load(Vocabulary);
        Assert.Equal(Captions.Length, rows.Count);
        Assert.All(rows, row => Assert.Equal(5, row.Length));
        Assert.Equal(tokenizer.EndOfText, rows[1][^1]);
        Assert.Equal([tokenizer.StartOfText, tokenizer.EndOfText, 0, 0, 0], rows[2]);
    }

    [Fact]
    public void Bytes_that_are_no_UTF8_are_tokenized_as_replacement_characters()
    {
        var outcome = Cli.Run([(byte)'a', 0xC3, (byte)' ', 0xFF, (byte)'\n', 0xED, 0xA0, 0x80], ["tokenize", "--vocab", Vocabulary, "-"]);
        Assert.Equal((0, 2), (outcome.ExitCode, outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
    }

    [Fact]
    public void Wrong_input_is_one_sentence_and_exit_code_2()
    {
        File.WriteAllBytes(Path.Combine(_folder, "cut.gz"), File.ReadAllBytes(Vocabulary)[..^20]);
        string[][] wrong =
        [
            ["--vocab", Path.Combine(_folder, "missing.txt")],
            ["--vocab", Path.Combine(_folder, "cut.gz")],
            ["--vocab", Vocabulary, Path.Combine(_folder, "missing captions.txt")],
        ];
        Assert.All(wrong, arguments =>
        {
            var outcome = Cli.Run(["tokenize", .. arguments]);
            Assert.Equal((2, ""), (outcome.ExitCode, outcome.Output));
            Assert.Matches("^clipmoe: The [^\n]*\\.\n$", outcome.Error);
            Assert.Contains(arguments[^1], outcome.Error);
        });
        Assert.Equal(2, Cli.Run("tokenize", "--vocab", Vocabulary, "--context", "1").ExitCode);
        Assert.Equal(2, Cli.Run("tokenize").ExitCode);
    }

    [Fact]
    public void A_trained_vocabulary_is_what_the_trainer_learns()
    {
        var output = Path.Combine(_folder, "learnt.txt");

        var outcome = Cli.Run(Encoding.UTF8.GetBytes(string.Join('\n', Captions)), ["tokenizer", "train", "-", "--size", "520", "--out",
            output]);

        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        Assert.StartsWith("520 tokens", outcome.Output);
        Assert.Equal(VocabularyTrainer.Train(Captions, 520).Merges, Model.Text.Vocabulary.Load(output).Merges);
        Assert.Equal(2, Cli.Run("tokenizer", "train", output, "--size", "100", "--out", output).ExitCode);
    }

    [Fact]
    public void The_benchmark_reports_a_speed()
    {
        var file = Path.Combine(_folder, "captions.txt");
        File.WriteAllLines(file, Captions);

        var outcome = Cli.Run("bench", "tokenizer", "--vocab", Vocabulary, "--captions", file, "--seconds", "0.1", "--threads", "2",
            "--json");

        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        using var figures = JsonDocument.Parse(outcome.Output);
        Assert.Equal(Captions.Length, figures.RootElement.GetProperty("captions").GetInt32());
        Assert.True(figures.RootElement.GetProperty("megabytes_per_second_per_thread").GetDouble() > 0);
    }
}
