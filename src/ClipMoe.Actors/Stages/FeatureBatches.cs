using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Actors.Stages;

/// <param name="Image">[samples, width], L2-normalized, as is <paramref name="Text"/>.</param>
/// <param name="ImageLoad">Choices of the image tower's routers over all samples; null for a dense model. Likewise
/// <paramref name="TextLoad"/>.</param>
internal sealed record SampleFeatures(int Width, float[] Image, float[] Text, RouterLoad? ImageLoad, RouterLoad? TextLoad);

/// <summary>
/// Features of any number of samples, in batches of a fixed size, so that they do not depend on which caller asks for which.
/// </summary>
internal static class FeatureBatches
{
    private const int BatchSize = 64;

    /// <exception cref="OperationCanceledException">It was, between two batches.</exception>
    public static SampleFeatures Encode(RunData data, Replica replica, ReadOnlySpan<int> samples, CancellationToken cancellation)
    {
        var config = replica.Layout.Config;
        var (width, encoder) = (config.EmbedDim, new Encoder(replica));
        var (image, text) = (new float[samples.Length * width], new float[samples.Length * width]);
        RouterLoad? imageLoad = null, textLoad = null;
        data.Loader.Prefetch(samples);
        for (var from = 0; from < samples.Length; from += BatchSize)
        {
            cancellation.ThrowIfCancellationRequested();
            var rows = Math.Min(BatchSize, samples.Length - from);
            var batch = data.Loader.Get(samples.Slice(from, rows), cancellation);
            var images = encoder.EncodeImages(batch.Images, rows);
            var texts = encoder.EncodeTexts(data.Tokens(batch.Captions, config.ContextLength), rows);
            images.Features.CopyTo(image.AsSpan(from * width));
            texts.Features.CopyTo(text.AsSpan(from * width));
            imageLoad = Sum(imageLoad, images.Load);
            textLoad = Sum(textLoad, texts.Load);
        }
        return new SampleFeatures(width, image, text, imageLoad, textLoad);
    }

    private static RouterLoad? Sum(RouterLoad? a, RouterLoad? b) => a is null || b is null ? a ?? b : a + b;
}
