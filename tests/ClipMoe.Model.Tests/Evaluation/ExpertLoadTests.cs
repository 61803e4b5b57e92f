using ClipMoe.Model.Evaluation;

namespace ClipMoe.Model.Tests.Evaluation;

public sealed class ExpertLoadTests
{
    [Fact]
    public void Opposite_imbalances_of_two_layers_stay_visible()
    {
        var load = ExpertLoad.Of("image", [[8, 0], [0, 8], [4, 4], [6, 2]]);
        Assert.Equal([0, 1, 2, 3], load.Layers.Select(l => l.Layer));
        Assert.Equal([0, 0, 1], load.Layers.Take(3).Select(l => l.Entropy));
        Assert.Equal([0.75, 0.25], load.Layers[3].Fractions);
        Assert.Equal(0.8113, load.Layers[3].Entropy, tolerance: 1e-4);
    }

    [Fact]
    public void A_layer_without_tokens_is_refused() => Assert.Throws<ArgumentException>(() => ExpertLoad.Of("text", [[0, 0]]));
}
