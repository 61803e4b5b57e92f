using ClipMoe.Model.Datasets;
using ClipMoe.Model.Text;

namespace ClipMoe.Actors.Stages;

/// <summary>
/// An opened data set as a run uses it: its usable samples in splits, its tokenizer, and true attributes where there are any. Thread-safe;
/// all workers of a process share one.
/// </summary>
public sealed class RunData(
    ICaptionedImages images, DatasetSplits splits, BatchLoader loader, Tokenizer tokenizer, AttributeTable? attributes) : IDisposable
{
    public ICaptionedImages Images => images;

    /// <summary>Indices into <see cref="Images"/>; a position in this list is what orders, shards and labels speak of.</summary>
    public int[] Train => splits.Train;

    /// <summary>Held-out samples that results are reported on.</summary>
    public int[] HeldOut => splits.HeldOut;

    /// <summary>Which split they are: test or validation.</summary>
    public string HeldOutSplit => splits.Test.Length > 0 ? "test" : "validation";

    public BatchLoader Loader => loader;

    public Tokenizer Tokenizer => tokenizer;

    public AttributeTable? Attributes => attributes;

    /// <summary>Token ids [rows, context], zero padded.</summary>
    public int[] Tokens(ReadOnlySpan<Caption> captions, int context, bool shortCaption = false)
    {
        var tokens = new int[captions.Length * context];
        for (var row = 0; row < captions.Length; row++)
            tokenizer.Encode(shortCaption ? captions[row].Short : captions[row].Long, tokens.AsSpan(row * context, context));
        return tokens;
    }

    public void Dispose()
    {
        loader.Dispose();
        images.Dispose();
    }
}
