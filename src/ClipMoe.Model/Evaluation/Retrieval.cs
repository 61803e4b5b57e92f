using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Evaluation;

/// <summary>
/// Ranks, from 0, of what each query should find: of an image the best of its own captions, of a caption its image. An entry of the gallery
/// that scores the same as the right one counts as ranked before it, so a collapsed model finds nothing.
/// </summary>
/// <param name="OfImages">[images] rank among all captions.</param>
/// <param name="OfCaptions">[captions] rank among all images.</param>
public sealed record RetrievalRanks(int[] OfImages, int[] OfCaptions);

/// <summary>Image-text retrieval by cosine similarity.</summary>
public static class Retrieval
{
    private const int ImageBlock = 64, CaptionBlock = 512;

    /// <summary>
    /// Ranks all captions for every image and all images for every caption. Memory grows with the gallery, not its square.
    /// </summary>
    /// <param name="images">[images, D].</param>
    /// <param name="captions">[captions, D].</param>
    /// <param name="imageOfCaption">[captions] the image that a caption belongs to; every image has at least one.</param>
    /// <param name="threads">Threads to compute on; the result does not depend on it.</param>
    /// <exception cref="UserErrorException">Nothing to rank, an image without a caption, or features that are not finite.</exception>
    public static RetrievalRanks Rank(Features images, Features captions, IReadOnlyList<int> imageOfCaption, int threads)
    {
        Check(images, captions, imageOfCaption);
        int[] owner = [.. imageOfCaption];
        var (perImage, perCaption) = (images.InverseNorms("image"), captions.InverseNorms("caption"));

        // A query's own length scales all its scores alike, so only the gallery entry's is divided out.
        var bestOfImage = new float[images.Count];
        Array.Fill(bestOfImage, float.NegativeInfinity);
        var ofCaption = new float[captions.Count];
        for (var c = 0; c < ofCaption.Length; c++)
        {
            var image = owner[c];
            var product = DotProducts.Dot(images[image], captions[c]);
            bestOfImage[image] = Math.Max(bestOfImage[image], product * perCaption[c]);
            ofCaption[c] = product * perImage[image];
        }

        var (imageRanks, captionRanks) = (new int[images.Count], new int[captions.Count]);
        DedicatedThreads.For((images.Count + ImageBlock - 1) / ImageBlock, threads, block =>
        {
            var (firstImage, imageCount) = (block * ImageBlock, Math.Min(ImageBlock, images.Count - block * ImageBlock));
            var products = new float[imageCount * CaptionBlock];
            var before = new int[CaptionBlock];
            for (var firstCaption = 0; firstCaption < captions.Count; firstCaption += CaptionBlock)
            {
                var captionCount = Math.Min(CaptionBlock, captions.Count - firstCaption);
                DotProducts.Products(Rows(images, firstImage, imageCount), Rows(captions, firstCaption, captionCount), images.Dimension,
                    products);
                Array.Clear(before);
                for (var i = 0; i < imageCount; i++)
                {
                    var image = firstImage + i;
                    for (var c = 0; c < captionCount; c++)
                    {
                        var caption = firstCaption + c;
                        if (owner[caption] == image) continue;
                        var product = products[i * captionCount + c];
                        if (product * perCaption[caption] >= bestOfImage[image]) imageRanks[image]++;
                        if (product * perImage[image] >= ofCaption[caption]) before[c]++;
                    }
                }

                for (var c = 0; c < captionCount; c++) Interlocked.Add(ref captionRanks[firstCaption + c], before[c]);
            }
        });
        return new RetrievalRanks(imageRanks, captionRanks);
    }

    /// <summary>The k entries of a gallery nearest to a query by cosine similarity, nearest first, the lower index at a tie.</summary>
    public static IReadOnlyList<(int Index, float Cosine)> Nearest(ReadOnlySpan<float> query, Features gallery, int k)
    {
        var inverse = gallery.InverseNorms("gallery entry");
        var length = MathF.Sqrt(DotProducts.Dot(query, query));
        var scores = new (int Index, float Cosine)[gallery.Count];
        for (var i = 0; i < scores.Length; i++) scores[i] = (i, length == 0 ? 0 : DotProducts.Dot(query, gallery[i]) * inverse[i] / length);
        return [.. scores.OrderByDescending(s => s.Cosine).ThenBy(s => s.Index).Take(k)];
    }

    private static ReadOnlySpan<float> Rows(Features features, int first, int count) =>
        features.Values.Span.Slice(first * features.Dimension, count * features.Dimension);

    private static void Check(Features images, Features captions, IReadOnlyList<int> imageOfCaption)
    {
        if (images.Count == 0 || captions.Count == 0) throw new UserErrorException("There are no images or no captions to rank.");
        if (images.Dimension != captions.Dimension || imageOfCaption.Count != captions.Count)
        {
            throw new ArgumentException(
                $"images of {images.Dimension} dimensions, {captions.Count} captions of {captions.Dimension}, {imageOfCaption.Count} " +
                $"assigned");
        }

        var has = new bool[images.Count];
        for (var c = 0; c < imageOfCaption.Count; c++)
        {
            var image = imageOfCaption[c];
            if ((uint)image >= (uint)has.Length)
                throw new UserErrorException($"Caption {c} belongs to image {image}, but there are {has.Length} images.");
            has[image] = true;
        }

        var without = Array.IndexOf(has, false);
        if (without >= 0) throw new UserErrorException($"Image {without} has no caption: leave it out of the gallery.");
    }
}
