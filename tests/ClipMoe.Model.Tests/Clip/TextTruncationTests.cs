using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tensors;
using ClipMoe.Model.Tests.Training;
using ClipMoe.Model.Training;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tests.Clip;

[Collection(TorchCollection.Name)]
public sealed class TextTruncationTests
{
    [Fact]
    public void The_end_of_a_text_is_its_highest_token_and_rows_are_cut_behind_the_latest()
    {
        var batch = TokenBatch.Create(2, [28, 5, 29, 0, 0, 28, 29, 0, 0, 0], 5);
        Assert.Equal([2, 1], batch.Ends);
        Assert.Equal(3, batch.Length);
        Assert.Equal([28, 5, 29, 28, 29, 0], batch.Ids);
        Assert.Equal([true, true, true, true, true, false], batch.ValidTokens());
        Assert.Equal(5, TokenBatch.Create(2, [28, 5, 29, 0, 0, 28, 29, 0, 0, 0], 5, keepPadding: true).Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Features_of_cut_rows_equal_those_of_all_positions(bool moe)
    {
        using var replica = Models.Seeded(moe ? Models.SmallMoe : Models.Small, TrainableParameters.None);
        // Short captions leave most positions to be cut off.
        var tokens = new int[3 * Models.Small.ContextLength];
        for (var row = 0; row < 3; row++) new[] { 28, 4, 9 + row, 29 }.CopyTo(tokens, row * Models.Small.ContextLength);
        using var scope = NewDisposeScope();

        var cut = Features(replica, TokenBatch.Create(3, tokens, Models.Small.ContextLength));
        var whole = Features(replica, TokenBatch.Create(3, tokens, Models.Small.ContextLength, keepPadding: true));

        Close.Within(2e-6, whole, cut, "features");
    }

    [Fact]
    public void The_gradient_without_a_loss_over_padding_is_that_of_all_positions()
    {
        using var replica = Models.Seeded(Models.SmallMoe, TrainableParameters.All);
        var shards = Samples.Leaves(Models.SmallMoe, 6, 2);
        var settings = new StepSettings { Leaves = 2, RouterLossWeight = 0 };

        var cut = LocalWorld.Step(replica, settings with { RouterLossTokens = RouterLossTokens.Valid }, 0, shards).Gradient;
        var whole = LocalWorld.Step(replica, settings with { RouterLossTokens = RouterLossTokens.All }, 0, shards).Gradient;

        Close.WithinOfLargest(1e-5, whole, cut, "gradient");
    }

    private static float[] Features(Replica replica, TokenBatch batch)
    {
        var moe = replica.Layout.Config.Moe;
        using var routing = moe is null ? null : new Routing(Routers.Create(moe, []));
        return HostTensor.Read(Towers.Text(replica, batch, routing));
    }
}
