using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Evaluation;

namespace ClipMoe.Actors.Tests.Evaluation;

public sealed class GalleryTests
{
    [Fact]
    public void A_picture_with_several_captions_is_searched_once_and_found_by_each()
    {
        var gallery = Gallery.FromKeys(["a", "b", "a", "c", "b"]);
        Assert.Equal([0, 1, 3], gallery.Images);
        Assert.Equal([0, 1, 0, 2, 1], gallery.ImageOfCaption);

        float[] image = [1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0];
        var encoded = new SampleFeatures(3, image, image, ImageLoad: null, TextLoad: null);
        var ranks = Retrieval.Rank(gallery.ImagesOf(encoded), new Features(encoded.Text, 3), gallery.ImageOfCaption, threads: 1);
        Assert.All(ranks.OfCaptions.Concat(ranks.OfImages), rank => Assert.Equal(0, rank));
    }
}
