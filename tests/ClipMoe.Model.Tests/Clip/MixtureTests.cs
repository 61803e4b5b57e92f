using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tests.Training;
using ClipMoe.Model.Training;
using ClipMoe.Model.Upcycling;

namespace ClipMoe.Model.Tests.Clip;

[Collection(TorchCollection.Name)]
public sealed class MixtureTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    [InlineData(24, 3)]
    public void The_last_blocks_have_experts_in_each_tower_up_to_all_of_them(int layers, int topK)
    {
        var config = Models.Small with { Moe = new MoeConfig(3, topK, layers) };
        using var dense = Models.Seeded(Models.Small, TrainableParameters.None);
        using var moe = Models.New(config, TrainableParameters.RouterOnly);
        MoeAssembly.Upcycle(moe, dense, new GateInitialization(1));

        foreach (var (tower, prefix) in ((TowerConfig, string)[])[(config.Vision, "visual.transformer"), (config.Text, "transformer")])
        {
            for (var block = 0; block < tower.Layers; block++)
                Assert.Equal(block >= tower.Layers - layers, moe.Layout.TryGet($"{prefix}.resblocks.{block}.gate.weight", out _));
        }

        // Equal experts, weighted to a sum of 1, are the dense FFN whatever the routers say.
        var tokens = Samples.Tokens(config, 2, new Random(1));
        Close.Within(2e-6, new Encoder(dense).EncodeTexts(tokens, 2).Features, new Encoder(moe).EncodeTexts(tokens, 2).Features,
            "text features");
        var gradient = LocalWorld.Step(moe, new StepSettings { Leaves = 2 }, 0, Samples.Leaves(config, 4, 2)).Gradient;
        Assert.Contains(gradient, g => g != 0);
    }

    [Fact]
    public void Gates_start_from_their_own_seed_and_scale()
    {
        using var dense = Models.Seeded(Models.Small, TrainableParameters.None);
        const string gate = "visual.transformer.resblocks.1.gate.weight";
        var (one, same, other, none) = (Gate(new(1)), Gate(new(1)), Gate(new(2)), Gate(new(1, Scale: 0)));
        Assert.Equal(one, same);
        Assert.NotEqual(one, other);
        Assert.All(one, v => Assert.InRange(Math.Abs(v), 0, 0.25f));
        Assert.All(none, v => Assert.Equal(0, v));

        float[] Gate(GateInitialization gates)
        {
            using var moe = Models.New(Models.SmallMoe, TrainableParameters.None);
            MoeAssembly.Upcycle(moe, dense, gates);
            return Models.Read(moe, gate);
        }
    }

    [Fact]
    public void Pairs_are_dispatched_by_expert_and_within_an_expert_by_token()
    {
        var plan = DispatchPlan.Create([2, 0, 0, 2, 2, 1], experts: 4);
        Assert.Equal([2, 1, 3, 0], plan.Counts);
        Assert.Equal([1, 2, 5, 0, 3, 4], plan.Pairs);
        for (var place = 0; place < 6; place++) Assert.Equal(place, plan.Places[plan.Pairs[place]]);
    }
}
