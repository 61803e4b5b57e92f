using ClipMoe.Model.Parameters;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Training;

/// <summary>The gradient of the text tower is finished before that of the image tower is begun.</summary>
[Collection(TorchCollection.Name)]
public sealed class TowerGradientTests
{
    [Theory]
    [InlineData("dense")]
    [InlineData("sigmoid")]
    [InlineData("ffn")]
    [InlineData("moe")]
    [InlineData("router")]
    public void A_towers_part_of_a_gradient_is_that_of_its_parameters(string kind)
    {
        using var replica = WorldTests.New(kind, Precision.Fp32);
        var layout = replica.Layout;
        Assert.Equal(layout.TextTower[^1], layout.TextBlocks);
        Assert.Equal([0, layout.TextBlocks.Start], [layout.BeforeTextBlocks.Start, layout.BeforeTextBlocks.End]);
        Assert.Equal(layout.TrainableLength, layout.TextBlocks.End);
        Assert.Equal((layout.TextTower[0].End, layout.TextBlocks.Start), (layout.ImageTower.Start, layout.ImageTower.End));
        foreach (var slot in layout.Slots.Where(s => s.Trainable))
        {
            var ofImages = slot.Offset >= layout.ImageTower.Start && slot.Offset < layout.ImageTower.End;
            string[] prefixes = [ParameterNames.Vision, "logit_"];
            Assert.Equal(prefixes.Any(p => slot.Name.StartsWith(p, StringComparison.Ordinal)), ofImages);
        }
    }

    [Theory]
    [InlineData("dense", 0, 5)]
    [InlineData("ffn", 2, 3)]
    [InlineData("moe", 1, 8)]
    public void The_image_towers_backward_pass_leaves_the_text_towers_gradient_as_it_is(string kind, int from, int to)
    {
        using var replica = WorldTests.New(kind, Precision.Fp32);
        var shards = Samples.Leaves(replica.Layout.Config, 19, 8, seed: 2, withShort: true);
        var settings = new StepSettings { Leaves = 8 };
        using var all = new TrainingStep(replica, settings, 0);
        var features = all.Features(shards);
        all.BeginLoss(features);
        var blocks = all.Publish();
        using var step = new TrainingStep(replica, settings, 0);
        step.Features([.. shards.Take(to).Skip(from)]);
        step.BeginLoss(features);
        step.Receive(blocks);
        var text = step.BackwardText().Select(g => (g.Node, Values: TextOf(g))).ToList();
        var whole = step.BackwardImages(out _);
        Assert.Equal(text.Select(t => t.Node), whole.Select(g => g.Node));
        foreach (var (before, after) in text.Zip(whole))
        {
            Assert.Contains(before.Values, v => v != 0);
            Assert.Equal(before.Values, TextOf(after));
            Assert.Contains(after.Values.Slice(replica.Layout.ImageTower.Start, replica.Layout.ImageTower.Length).ToArray(), v => v != 0);
        }

        float[] TextOf(SubtreeGradient gradient) =>
            [.. replica.Layout.TextTower.SelectMany(p => gradient.Values.Slice(p.Start, p.Length).ToArray())];
    }

    [Fact]
    public void The_rounds_of_the_loss_come_first_and_then_the_text_tower()
    {
        using var replica = WorldTests.New("dense", Precision.Fp32);
        using var step = new TrainingStep(replica, new StepSettings { Leaves = 1 }, 0);
        step.BeginLoss(step.Features(Samples.Leaves(replica.Layout.Config, 2, 1)));
        Assert.Throws<InvalidOperationException>(() => step.BackwardText());
        step.Receive(step.Publish());
        Assert.Throws<InvalidOperationException>(() => step.BackwardImages(out _));
    }
}
