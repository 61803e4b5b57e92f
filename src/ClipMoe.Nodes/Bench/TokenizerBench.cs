using System.CommandLine;
using System.Diagnostics;
using System.Text;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Text;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench tokenizer</c>: captions to rows of token ids.</summary>
internal static class TokenizerBench
{
    private const int Context = 248, MadeUpCaptions = 20_000, MadeUpWords = 20_000, LearnedSize = 8192, LearnedFrom = 5_000;

    public static Command Build()
    {
        var vocabulary = new Option<string?>("--vocab")
        {
            Description =
            "Vocabulary file or folder. Default: one learned from the captions."
        };
        var captions = new Option<string?>("--captions") { Description = "Text file with one caption a line. Default: made-up captions." };
        var threads = BenchOptions.AtLeast("--threads", 1, 1, "Threads that share one tokenizer.");
        var seconds = BenchOptions.Seconds();
        var json = BenchOptions.Json();
        var command = new Command(
            "tokenizer",
            $"Tokenizes captions to context {Context}: first with no word known yet, then again and again for a while.\n\n" +
            "Example:\n  clipmoe bench tokenizer --vocab bpe_simple_vocab_16e6.txt.gz --captions captions.txt --json")
        {
            vocabulary, captions, threads, seconds, json,
        };
        command.SetAction(parsed =>
        {
            var lines = parsed.GetValue(captions) is { } path ? CaptionInput.Lines([path]).ToList() : MakeCaptions();
            var known = parsed.GetValue(vocabulary) is { } file
                ? Vocabulary.Load(file)
                : VocabularyTrainer.Train(lines.Take(LearnedFrom), LearnedSize);
            var figures = Measure(new Tokenizer(known), lines, parsed.GetValue(threads), parsed.GetValue(seconds));
            BenchOptions.Print(figures, parsed.GetValue(json), f =>
                $"{f.Captions} captions, {f.Threads} threads: {f.MegabytesPerSecondPerThread:F1} MB/s and " +
                $"{f.TokensPerSecondPerThread / 1e6:F2} M tokens/s per thread; " +
                $"{f.FirstPassMegabytesPerSecond:F1} MB/s in the first pass");
            return ExitCodes.Success;
        });
        return command;
    }

    /// <param name="Bytes">Of all captions, as UTF-8.</param>
    /// <param name="Tokens">Of all captions, with start and end, each cut to the context.</param>
    /// <param name="FirstPassMegabytesPerSecond">One thread, every word new to the tokenizer.</param>
    private sealed record TokenizerResult(
        int Captions, long Bytes, long Tokens, int VocabularySize, int Context, int Threads,
        double MegabytesPerSecondPerThread, double TokensPerSecondPerThread, double FirstPassMegabytesPerSecond);

    private static TokenizerResult Measure(Tokenizer tokenizer, List<string> captions, int threads, double seconds)
    {
        var bytes = captions.Sum(c => (long)Encoding.UTF8.GetByteCount(c));
        var clock = Stopwatch.StartNew();
        var tokens = Pass(tokenizer, captions);
        var first = clock.Elapsed.TotalSeconds;

        var passes = new int[threads];
        clock.Restart();
        var workers = Enumerable.Range(0, threads).Select(t => new Thread(() =>
        {
            // Once at least, however late this thread begins.
            do
            {
                Pass(tokenizer, captions);
                passes[t]++;
            }
            while (clock.Elapsed.TotalSeconds < seconds);
        })).ToList();
        workers.ForEach(w => w.Start());
        workers.ForEach(w => w.Join());
        var threadSeconds = clock.Elapsed.TotalSeconds * threads;
        return new TokenizerResult(
            captions.Count, bytes, tokens, tokenizer.VocabularySize, Context, threads,
            bytes * passes.Sum() / threadSeconds / 1e6, tokens * passes.Sum() / threadSeconds, bytes / first / 1e6);
    }

    private static long Pass(Tokenizer tokenizer, List<string> captions)
    {
        var row = new int[Context];
        var tokens = 0L;
        foreach (var caption in captions) tokens += tokenizer.Encode(caption, row);
        return tokens;
    }

    /// <summary>
    /// Sentences of made-up words, some far more frequent than others as in any language, with a little punctuation beyond ASCII.
    /// </summary>
    private static List<string> MakeCaptions()
    {
        string[] onsets = ["b", "br", "c", "ch", "d", "f", "g", "gr", "h", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "w"];
        string[] rimes = ["a", "an", "ar", "e", "en", "ing", "i", "ight", "o", "on", "or", "ound", "u", "ue", "all", "ell"];
        string[] marks = [", ", ". ", "’s ", " – ", " “", "” ", ", 3 ", "é "];
        var random = RandomKey.FromSeed(1);
        var words = Enumerable.Range(0, MadeUpWords).Select(w =>
        {
            var key = random.Derive(w);
            return string.Concat(Enumerable.Range(0, 1 + key.Below(0, 3)).Select(s =>
                onsets[key.Below(2 * s + 1, onsets.Length)] + rimes[key.Below(2 * s + 2, rimes.Length)]));
        }).ToArray();
        return [.. Enumerable.Range(0, MadeUpCaptions).Select(c =>
        {
            var key = random.Derive(-1 - c);
            var caption = new StringBuilder("A photo of ");
            for (var w = 0; w < 10 + key.Below(0, 80); w++)
            {
                // The r-th most frequent word occurs about 1/r times as often as the first.
                caption.Append(words[(int)Math.Pow(MadeUpWords, key.Unit(3 * w + 1)) - 1]);
                caption.Append(key.Unit(3 * w + 2) < 0.12 ? marks[key.Below(3 * w + 3, marks.Length)] : " ");
            }

            return caption.ToString();
        })];
    }
}
