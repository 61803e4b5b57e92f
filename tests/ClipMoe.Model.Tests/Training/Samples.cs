using ClipMoe.Model.Architecture;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Training;

/// <summary>Seeded pictures and captions of varying lengths, cut into leaves.</summary>
internal static class Samples
{
    public static List<MicroBatch> Leaves(ClipConfig config, int rows, int leaves, int seed = 1, bool withShort = false)
    {
        var random = new Random(seed);
        var pixels = 3 * config.ImageResolution * config.ImageResolution;
        var images = new byte[rows * pixels];
        random.NextBytes(images);
        var (tokens, shorts) = (Tokens(config, rows, random), Tokens(config, rows, random));
        return [.. Enumerable.Range(0, leaves).Select(leaf =>
        {
            var (from, to) = LeafPartition.Rows(leaf, rows, leaves);
            return new MicroBatch(leaf, to - from, images[(from * pixels)..(to * pixels)], Rows(tokens, from, to), withShort
                ? Rows(shorts, from, to) : null);
        })];

        int[] Rows(int[] all, int from, int to) => all[(from * config.ContextLength)..(to * config.ContextLength)];
    }

    public static int[] Tokens(ClipConfig config, int rows, Random random)
    {
        var tokens = new int[rows * config.ContextLength];
        for (var row = 0; row < rows; row++)
        {
            var caption = tokens.AsSpan(row * config.ContextLength, random.Next(3, config.ContextLength - 2));
            for (var i = 1; i < caption.Length - 1; i++) caption[i] = random.Next(1, config.VocabularySize - 2);
            (caption[0], caption[^1]) = (config.VocabularySize - 2, config.VocabularySize - 1);
        }

        return tokens;
    }
}
