using System.CommandLine;
using ClipMoe.Model.Text;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe tokenize</c>: token ids of captions.</summary>
internal static class TokenizeCommand
{
    private const int LongestContext = 1 << 16;

    public static Command Build()
    {
        var vocabulary = new Option<string>("--vocab")
        {
            Description = "Vocabulary: bpe_simple_vocab_16e6.txt.gz (also unpacked), or a folder with vocab.json and merges.txt.",
            Required = true,
        };
        var context = new Option<int>("--context")
        {
            Description = "Tokens of a text at most, with start and end.",
            DefaultValueFactory = _ => 248
        };
        var pad = new Option<bool>("--pad") { Description = "Fills each array up to the context with zeros." };
        var captions = new Argument<string>("captions")
        {
            Description = "Text file with one caption a line; - is standard input.",
            DefaultValueFactory = _ => CaptionInput.StandardInput,
        };
        context.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 2 or > LongestContext)
                result.AddError($"--context must be 2 (start and end) to {LongestContext}.");
        });

        var command = new Command(
            "tokenize",
            "Reads captions, writes the token ids of each as a JSON array on a line of its own: start, tokens, end. Longer texts are " +
            "cut, the " +
            "end stays. Captions are repaired as ftfy does; bytes that are no UTF-8 count as U+FFFD.\n\nExamples:\n" +
            "  echo 'a photo of a cat' | clipmoe tokenize --vocab bpe_simple_vocab_16e6.txt.gz\n" +
            "  clipmoe tokenize --vocab clip-vit-base-patch32/ --context 77 --pad captions.txt > ids.jsonl")
        {
            vocabulary, context, pad, captions,
        };
        command.SetAction((parsed, cancellation) =>
        {
            var tokenizer = Tokenizer.Load(parsed.GetRequiredValue(vocabulary));
            var row = new int[parsed.GetValue(context)];
            using var output = new StreamWriter(Console.OpenStandardOutput(), bufferSize: 1 << 16);
            foreach (var caption in CaptionInput.Lines([parsed.GetRequiredValue(captions)]))
            {
                cancellation.ThrowIfCancellationRequested();
                var count = tokenizer.Encode(caption, row);
                output.Write('[');
                output.Write(string.Join(", ", parsed.GetValue(pad) ? row : row[..count]));
                output.WriteLine(']');
            }

            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }
}
