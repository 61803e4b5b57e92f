using System.CommandLine;
using ClipMoe.Model.Text;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe tokenizer</c>: makes vocabularies.</summary>
internal static class TokenizerCommand
{
    public static Command Build() => new("tokenizer", "Makes vocabularies.") { Train() };

    private static Command Train()
    {
        var captions = new Argument<string[]>("captions")
        {
            Description = "Text files with one caption a line; - is standard input.",
            Arity = ArgumentArity.OneOrMore,
        };
        var size = new Option<int>("--size")
        {
            Description = $"Tokens at most, {Vocabulary.SmallestSize} to {Vocabulary.LargestSize}: the bytes, what is learned, start and " +
            $"end.",
            Required = true,
        };
        var file = new Option<string>("--out") { Description = "Vocabulary file to write; packed when it ends in .gz.", Required = true };
        size.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < Vocabulary.SmallestSize or > Vocabulary.LargestSize)
                result.AddError($"--size must be {Vocabulary.SmallestSize} (bytes only) to {Vocabulary.LargestSize}.");
        });

        var command = new Command(
            "train",
            "Learns a byte-pair vocabulary from captions and writes it in the format of bpe_simple_vocab_16e6.txt.gz. The same captions " +
            "give " +
            "the same file.\n\nExample:\n  clipmoe tokenizer train captions.txt --size 4096 --out vocabulary.txt.gz")
        {
            captions, size, file,
        };
        command.SetAction((parsed, cancellation) =>
        {
            var trainer = new VocabularyTrainer();
            var count = 0;
            foreach (var caption in CaptionInput.Lines(parsed.GetRequiredValue(captions)))
            {
                cancellation.ThrowIfCancellationRequested();
                trainer.Add(caption);
                count++;
            }

            var vocabulary = trainer.Learn(parsed.GetValue(size));
            vocabulary.Save(parsed.GetRequiredValue(file));
            var fewer = vocabulary.Size < parsed.GetValue(size) ? ", since no further pair occurs twice" : "";
            Console.WriteLine($"{vocabulary.Size} tokens learned from {count} captions{fewer}: {parsed.GetRequiredValue(file)}");
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }
}
