using ClipMoe.Model.Sampling;

namespace ClipMoe.Model.Tests.Sampling;

public sealed class PseudoLabelsTests
{
    [Fact]
    public void A_stage_adds_a_text_and_an_image_digit()
    {
        var joint = PseudoLabels.Joint(text: [2, 0, 1], image: [1, 0, 2], clusters: 3);
        Assert.Equal([7, 0, 5], joint);
        var labels = PseudoLabels.None(3, clusters: 3).Accumulate(joint).Accumulate([8, 8, 0]);
        Assert.Equal([7 * 9 + 8, 0 * 9 + 8, 5 * 9 + 0], Enumerable.Range(0, 3).Select(i => labels[i]));
        Assert.Equal([8, 45, 71], labels.Labels);
        Assert.Equal([1, 1, 1], labels.Sizes);
        Assert.Equal([1, 2, 0], labels.Sorted.ToArray());
        Assert.Equal(2, labels.Sample(cluster: 1, index: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => labels.Sample(cluster: 1, index: 1));
    }

    [Fact]
    public void Wrong_labels_are_named()
    {
        Assert.Contains("sample 1", Assert.Throws<UserErrorException>(
            () => PseudoLabels.FromAccumulated([0, 9], clusters: 3, stages: 1)).Message);
        Assert.Contains("ample 0 ", Assert.Throws<UserErrorException>(
            () => PseudoLabels.FromAccumulated([-1], clusters: 3, stages: 1)).Message);
        Assert.Contains("ample 0 ", Assert.Throws<UserErrorException>(() => PseudoLabels.Joint([3], [0], clusters: 3)).Message);
        Assert.Contains("same samples", Assert.Throws<UserErrorException>(() => PseudoLabels.Joint([0, 1], [0], clusters: 3)).Message);
        Assert.Contains("changed", Assert.Throws<UserErrorException>(() => PseudoLabels.None(2, clusters: 3).Accumulate([0])).Message);
        Assert.Contains("64 bits", Assert.Throws<UserErrorException>(
            () => PseudoLabels.FromAccumulated([0], clusters: 1000, stages: 4)).Message);
    }

    [Fact]
    public void No_samples_are_no_clusters() => Assert.Empty(PseudoLabels.None(0, clusters: 3).Labels);
}
