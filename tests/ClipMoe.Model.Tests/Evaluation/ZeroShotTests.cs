using ClipMoe.Model.Evaluation;

namespace ClipMoe.Model.Tests.Evaluation;

public sealed class ZeroShotTests
{
    [Fact]
    public void Prompts_put_every_class_into_every_template() => Assert.Equal(
        ["a photo of a cat.", "art of a cat", "a photo of a dog.", "art of a dog"],
        ZeroShot.Prompts(["cat", "dog"], ["a photo of a {}.", "art of a {}"]));

    [Fact]
    public void Class_weights_are_means_of_normalized_prompts()
    {
        var weights = ZeroShot.ClassWeights(new Features(new float[] { 10, 0, 0, 0.5f, 0, -2, 0, -3 }, 2), templates: 2);
        Assert.Equal([1, 1, 0, -2], weights.Values.ToArray());
    }

    [Fact]
    public void Accuracy_counts_the_class_that_scores_above_all_others()
    {
        // Six classes on the axes; class 5 equals class 4, so neither ever wins.
        var weights = new float[6 * 5];
        for (var c = 0; c < 6; c++) weights[c * 5 + Math.Min(c, 4)] = 3;
        float[] images = [1, 0, 0, 0, 0, 0, 9, 8, 0, 0, 0, 9, 8, 0, 0, 0, 0, 0, 0, 1];
        var result = ZeroShot.Evaluate("axes", "test", new Features(images, 5), [0, 1, 2, 5], new Features(weights, 5), templates: 1);
        Assert.Equal(0.5, result.Top1);
        Assert.Equal(1, result.Top5);
        Assert.Equal(0.5, result.MeanPerClass);
        Assert.Equal((4, 6), (result.Images, result.Classes));
    }

    [Fact]
    public void A_collapsed_model_classifies_nothing()
    {
        var same = new Features(Enumerable.Repeat(1f, 30 * 4).ToArray(), 4);
        var result = ZeroShot.Evaluate("same", "test", same, new int[30], same, templates: 1);
        Assert.Equal((0.0, 0.0), (result.Top1, result.Top5));
    }

    [Fact]
    public void Wrong_input_is_named()
    {
        Assert.Contains("{}", Assert.Throws<UserErrorException>(() => ZeroShot.Prompts(["cat"], ["a photo"])).Message);
        Assert.Throws<UserErrorException>(() => ZeroShot.Prompts([], ["a {}"]));
        Assert.Throws<UserErrorException>(() => ZeroShot.Prompts(["cat"], []));
        var one = new Features(new float[] { 1, 0 }, 2);
        Assert.Contains("class 1", Assert.Throws<UserErrorException>(() => ZeroShot.Evaluate("d", "test", one, [1], one, 1)).Message);
        var none = new Features(Array.Empty<float>(), 2);
        Assert.Contains("no images", Assert.Throws<UserErrorException>(() => ZeroShot.Evaluate("d", "test", none, [], one, 1)).Message);
        var bad = new Features(new[] { float.NaN, 0 }, 2);
        Assert.Contains("class 0", Assert.Throws<UserErrorException>(() => ZeroShot.Evaluate("d", "test", one, [0], bad, 1)).Message);
        Assert.Contains("image 0", Assert.Throws<UserErrorException>(() => ZeroShot.Evaluate("d", "test", bad, [0], one, 1)).Message);
    }
}
