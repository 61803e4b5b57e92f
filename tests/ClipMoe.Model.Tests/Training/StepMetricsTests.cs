using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tests.Training;

/// <summary>What a step measures, and that measuring changes nothing.</summary>
[Collection(TorchCollection.Name)]
public sealed class StepMetricsTests
{
    [Theory]
    [InlineData("dense", Precision.Fp32)]
    [InlineData("moe", Precision.Bf16)]
    [InlineData("router", Precision.Fp32)]
    public void Weights_and_losses_have_the_same_bits_whether_more_is_measured_or_not(string kind, Precision precision)
    {
        var (all, loss) = (Train(MeasuredMetrics.All), Train(MeasuredMetrics.Loss));

        Assert.Equal(loss.Hash, all.Hash);
        Assert.Equal(loss.Losses, all.Losses.Where(m => m.Name.StartsWith("loss")));
        Assert.True(all.Losses.Count > loss.Losses.Count);

        (List<(string Name, double Value)> Losses, UInt128 Hash) Train(MeasuredMetrics metrics)
        {
            using var replica = WorldTests.New(kind, precision);
            var settings = new StepSettings { Leaves = 4, ExpertDropout = 0.1, Seed = 3, Metrics = metrics };
            var measured = new List<(string, double)>();
            for (var step = 0; step < 3; step++)
            {
                var leaves = Samples.Leaves(replica.Layout.Config, rows: 9, leaves: 4, step, withShort: true);
                var (gradient, bags) = LocalWorld.Step(replica, settings, step, leaves, workers: 2);
                replica.Apply(gradient, 1e-2, new AdamWSettings(0.1));
                measured.AddRange(LocalWorld.Total(bags).Select(m => (m.Key.Name, m.Value[0])));
            }

            return (measured, replica.Hash());
        }
    }

    [Fact]
    public void Routers_are_measured_in_each_layer_over_the_tokens_of_the_whole_batch()
    {
        using var replica = WorldTests.New("router", Precision.Fp32);
        var moe = replica.Layout.Config.Moe!;
        var leaves = Samples.Leaves(replica.Layout.Config, rows: 9, leaves: 4, withShort: true);
        var bag = LocalWorld.Total(LocalWorld.Step(replica, new StepSettings { Leaves = 4 }, 0, leaves, workers: 3).Metrics);

        var first = replica.Layout.Config.Vision.Layers - moe.LayersOf(replica.Layout.Config.Vision);
        Assert.Contains(bag, m => m.Key.Name == $"router/image/layer.{first}/load");
        var loads = bag.Where(m => m.Key.Kind == MetricKind.Histogram).ToList();
        Assert.Equal(moe.LayersOf(replica.Layout.Config.Vision) + 2 * moe.LayersOf(replica.Layout.Config.Text), loads.Count);
        Assert.Equal(9 * replica.Layout.Config.VisionPositions * moe.TopK, loads[0].Value.Sum());
        var entropies = bag.Where(m => m.Key.Name.EndsWith("/entropy")).ToList();
        Assert.Equal(loads.Count, entropies.Count);
        Assert.All(entropies, e => Assert.InRange(e.Value[0], 1e-3, Math.Log(moe.Experts) + 1e-6));
    }

    [Fact]
    public void Entropy_is_the_mean_over_the_tokens_that_are_counted()
    {
        using var scope = NewDisposeScope();
        using var routing = new Routing(new TopKRouter(1, []));
        var p_TE = tensor(new[,] { { 0.25f, 0.25f, 0.25f, 0.25f }, { 1, 0, 0, 0 }, { 0.5f, 0.5f, 0, 0 } });
        routing.Record(p_TE.log(), p_TE, [0, 0, 0]);
        using var pass = new TowerPass(ones(1, 2), routing, [true, true, false]);
        var bag = new MetricBag();

        new RouterMetrics("image", firstLayer: 2).AddEntropy(bag, pass, tokens: 2);

        var (metric, values) = Assert.Single(bag);
        Assert.Equal("router/image/layer.2/entropy", metric.Name);
        Assert.Equal(Math.Log(4) / 2, values[0], 1e-5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void The_length_of_a_gradient_is_that_of_its_parts_together(int leaves)
    {
        var gradient = Enumerable.Range(0, 10_001).Select(i => (float)Math.Sin(i)).ToArray();
        var bags = Enumerable.Range(0, leaves).Select(leaf =>
        {
            var bag = new MetricBag();
            GradientMetrics.Add(bag, gradient, leaf, leaves);
            return (new Subtree(leaf, leaf + 1), bag);
        }).ToList();

        var (_, values) = Assert.Single(MetricBag.Combine(bags));

        Assert.Equal(Math.Sqrt(gradient.Sum(g => (double)g * g)), values[0], 1e-4);
    }

    [Fact]
    public void A_phase_within_another_takes_its_time_from_it()
    {
        var time = new ManualTime();
        var clock = new StepClock(time);
        using (clock.Enter(StepPhase.ImageTower))
        {
            time.Pass(1);
            using (clock.Enter(StepPhase.Loss)) time.Pass(2);
            time.Pass(4);
        }
        time.Pass(8);
        var (first, second) = (new MetricBag(), new MetricBag());

        clock.Empty(first);
        clock.Empty(second);

        Assert.Equal((5, 2, 0), (first[StepPhase.ImageTower.Mean], first[StepPhase.Loss.Slowest], first[StepPhase.Update.Mean]));
        Assert.All(second, m => Assert.Equal(0, m.Value[0]));
    }

    [Fact]
    public void The_time_of_a_step_that_was_abandoned_is_not_that_of_the_next()
    {
        var time = new ManualTime();
        var clock = new StepClock(time);
        using (clock.Enter(StepPhase.Exchange)) time.Pass(60);
        clock.Clear();
        using (clock.Enter(StepPhase.Exchange)) time.Pass(1);
        var step = new MetricBag();

        clock.Empty(step);

        Assert.Equal(1, step[StepPhase.Exchange.Mean]);
    }

    private sealed class ManualTime : TimeProvider
    {
        private long _now;

        public void Pass(int seconds) => _now += seconds * TimestampFrequency;

        public override long GetTimestamp() => _now;
    }
}
