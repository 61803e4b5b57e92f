using ClipMoe.Model.Architecture;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tests.Clip;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Training;

/// <summary>The result of a step does not depend on how many workers computed it.</summary>
[Collection(TorchCollection.Name)]
public sealed class WorldTests
{
    [Theory]
    [InlineData("dense", 8, 16, Precision.Fp32)]
    [InlineData("dense", 8, 19, Precision.Fp32)]
    [InlineData("dense", 6, 13, Precision.Fp32)]
    [InlineData("dense", 8, 19, Precision.Bf16)]
    [InlineData("ffn", 8, 16, Precision.Fp32)]
    [InlineData("moe", 8, 19, Precision.Fp32)]
    [InlineData("moe", 6, 13, Precision.Bf16)]
    [InlineData("router", 8, 19, Precision.Fp32)]
    [InlineData("router-z", 8, 19, Precision.Fp32)]
    [InlineData("router-z", 6, 13, Precision.Bf16)]
    [InlineData("dense", 8, 5, Precision.Fp32)]
    [InlineData("sigmoid", 8, 16, Precision.Fp32)]
    [InlineData("sigmoid", 8, 19, Precision.Fp32)]
    [InlineData("sigmoid", 6, 13, Precision.Bf16)]
    [InlineData("sigmoid", 8, 5, Precision.Fp32)]
    [InlineData("dense", 8, 19, Precision.Fp32, GradientFormat.Bf16)]
    [InlineData("moe", 6, 13, Precision.Bf16, GradientFormat.Bf16)]
    public void Gradients_losses_and_weights_have_the_same_bits_in_every_world(
        string kind, int leaves, int rows, Precision precision, GradientFormat format = GradientFormat.Fp32)
    {
        var expected = Train(1);
        Assert.Equal(format == GradientFormat.Bf16, expected.Gradients.All(g => g.All(v => BitConverter.SingleToUInt32Bits(v) << 16 == 0)));
        foreach (var workers in (int[])[2, 3, 4, 5, leaves])
        {
            var actual = Train(workers);
            Assert.Equal(expected.Metrics, actual.Metrics);
            foreach (var (one, other) in expected.Gradients.Zip(actual.Gradients)) Assert.True(Bits(one).SequenceEqual(Bits(other)));
            Assert.Equal(expected.Hash, actual.Hash);
        }

        (List<float[]> Gradients, List<(string, double)> Metrics, UInt128 Hash) Train(int workers)
        {
            using var replica = New(kind, precision);
            var settings = new StepSettings
            {
                Leaves = leaves,
                Gradients = format,
                ExpertDropout = 0.1,
                RouterZLossWeight = kind == "router-z" ? 1e-2 : 0,
                Seed = 3,
                RouterLossTokens = rows % 2 == 0 ? RouterLossTokens.All : RouterLossTokens.Valid,
            };
            var (gradients, metrics) = (new List<float[]>(), new List<(string, double)>());
            for (var step = 0; step < 3; step++)
            {
                var shards = Samples.Leaves(replica.Layout.Config, rows, leaves, step, withShort: true);
                var (gradient, shares) = LocalWorld.Step(replica, settings, step, shards, workers);
                replica.Apply(gradient, 1e-2, new AdamWSettings(0.1));
                gradients.Add(gradient);
                metrics.AddRange(LocalWorld.Total(shares).SelectMany(m => m.Value.Select(v => (m.Key.Name, v))));
            }

            return (gradients, metrics, replica.Hash());
        }
    }

    [Fact]
    public void Dropout_depends_on_the_seed_and_the_step_and_only_in_mixtures()
    {
        using var replica = New("moe", Precision.Fp32);
        var leaves = Samples.Leaves(replica.Layout.Config, 8, 2);
        var settings = new StepSettings { Leaves = 2, ExpertDropout = 0.3, Seed = 1 };
        var first = LocalWorld.Step(replica, settings, 0, leaves).Gradient;

        Assert.Equal(first, LocalWorld.Step(replica, settings, 0, leaves).Gradient);
        Assert.NotEqual(first, LocalWorld.Step(replica, settings, 1, leaves).Gradient);
        Assert.NotEqual(first, LocalWorld.Step(replica, settings with { Seed = 2 }, 0, leaves).Gradient);
        Assert.NotEqual(first, LocalWorld.Step(replica, settings with { ExpertDropout = 0 }, 0, leaves).Gradient);
    }

    [Theory]
    [InlineData("dense")]
    [InlineData("router")]
    [InlineData("sigmoid")]
    public void No_tensor_of_a_step_outlives_it(string kind)
    {
        using var replica = New(kind, Precision.Fp32);
        var leaves = Samples.Leaves(replica.Layout.Config, 8, 3, withShort: true);
        var settings = new StepSettings { Leaves = 3, ExpertDropout = 0.1 };
        Step();
        var before = TorchSharp.torch.Tensor.TotalCount;
        Step();
        Assert.Equal(before, TorchSharp.torch.Tensor.TotalCount);

        void Step() => replica.Apply(LocalWorld.Step(replica, settings, 0, leaves).Gradient, 1e-3, new AdamWSettings(0.1));
    }

    internal static Replica New(string kind, Precision precision) => kind switch
    {
        "dense" => Models.Seeded(Models.Small, TrainableParameters.All with { LearnLogits = true }, precision: precision),
        "sigmoid" => Models.Seeded(
            Models.Small with { Loss = LossKind.Sigmoid }, TrainableParameters.All with { LearnLogits = true }, precision: precision),
        "ffn" => Models.Seeded(Models.Small, TrainableParameters.FfnOnly(), precision: precision),
        "moe" => Models.Seeded(Models.SmallMoe, TrainableParameters.All, precision: precision),
        _ => Models.Seeded(Models.SmallMoe, TrainableParameters.RouterOnly, precision: precision),
    };

    private static ReadOnlySpan<int> Bits(float[] values) => System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(values);
}
