using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Model.Tests.Metrics;

public sealed class MetricBagTests
{
    private static readonly Metric
        Share = new("share", MetricKind.Sum, Exact: true),
        Length = new("length", MetricKind.Norm),
        Time = new("time", MetricKind.Mean, "s"),
        Slowest = new("time/slowest", MetricKind.Max, "s"),
        Load = new("load", MetricKind.Histogram, "choices", Bins: 3);

    /// <summary>Thirds, whose sum in another order has other bits.</summary>
    private static List<MetricBag> Leaves(int count) => [.. Enumerable.Range(0, count).Select(leaf => new MetricBag
    {
        { Share, 1 / (3.0 + leaf) }, { Length, leaf }, { Load, [1, leaf, 0] },
    })];

    private static List<(Subtree, MetricBag)> Alone(IEnumerable<MetricBag> leaves) =>
        [.. leaves.Select((bag, leaf) => (new Subtree(leaf, leaf + 1), bag))];

    private static IEnumerable<(string, double)> Flat(MetricBag bag) => bag.SelectMany(m => m.Value.Select(v => (m.Key.Name, v)));

    [Fact]
    public void A_step_is_put_together_as_the_kinds_of_its_metrics_say()
    {
        var leaves = Leaves(3);
        leaves[0].Add(Time, 1);
        leaves[0].Add(Slowest, 1);
        leaves[2].Add(Time, 4);
        leaves[2].Add(Slowest, 4);

        var step = MetricBag.Combine(Alone(leaves));

        Assert.Equal(1 / 3.0 + 1 / 4.0 + 1 / 5.0, step[Share]);
        Assert.Equal(Math.Sqrt(0 + 1 + 4), step[Length], 1e-6);
        Assert.Equal([3, 3, 0], step.Single(m => m.Key == Load).Value);
        Assert.Equal(2.5, step[Time]);
        Assert.Equal(4, step[Slowest]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    [InlineData(8)]
    [InlineData(13)]
    public void A_step_has_the_same_bits_however_leaves_are_dealt(int count)
    {
        var tree = new ReductionTree(count);
        var expected = Flat(MetricBag.Combine(Alone(Leaves(count)))).ToList();
        for (var cut = 1; cut <= count; cut++)
        {
            var leaves = Leaves(count);
            var parts = MetricBag.Join(tree.MaximalSubtrees(0, cut), leaves[..cut]).ToList();
            if (cut < count) parts.AddRange(MetricBag.Join(tree.MaximalSubtrees(cut, count), leaves[cut..]));
            var report = new MetricWriter().Write(parts);
            Assert.Equal(expected, Flat(MetricBag.Combine(report.Read(report.ReadLayout()!))));
        }
    }

    [Fact]
    public void A_leaf_without_samples_adds_nothing()
    {
        var (all, some) = (Leaves(4), Leaves(4));
        (all[2], some[2]) = (new MetricBag { { Share, 0 }, { Length, 0 }, { Load, [0, 0, 0] } }, []);
        Assert.Equal(Flat(MetricBag.Combine(Alone(all))), Flat(MetricBag.Combine(Alone(some))));
    }

    [Fact]
    public void A_mean_that_several_leaves_of_a_worker_give_is_refused()
    {
        List<MetricBag> leaves = [new() { { Time, 1 } }, new() { { Time, 2 } }];
        Assert.Contains("time", Assert.Throws<InvalidOperationException>(() => MetricBag.Join([new Subtree(0, 2)], leaves)).Message);
    }

    [Fact]
    public void A_report_brings_exact_values_as_they_are_and_others_as_floats()
    {
        var bag = new MetricBag { { Share, 1 / 3.0 }, { Time, double.NaN }, { Load, [0.1, 2, 3] }, { Length, double.PositiveInfinity } };

        var report = new MetricWriter().Write([(new Subtree(4, 6), bag)]);
        var (node, back) = Assert.Single(report.Read(report.ReadLayout()!));

        Assert.Equal(8 + 4 + 3 * 4 + 4, report.Values.Length);
        Assert.Equal(new Subtree(4, 6), node);
        Assert.Equal(
            [("share", 1 / 3.0), ("time", double.NaN), ("load", 0.1f), ("load", 2), ("load", 3), ("length", double.PositiveInfinity)],
            Flat(back));
    }

    [Fact]
    public void What_values_mean_is_told_again_only_when_it_changes()
    {
        var writer = new MetricWriter();
        var told = writer.Write(Alone(Leaves(2))).ReadLayout()!;
        Assert.Null(writer.Write(Alone(Leaves(2))).ReadLayout());

        var leaves = Leaves(2);
        leaves[1].Add(Time, 1);
        var changed = writer.Write(Alone(leaves));

        Assert.Equal(Flat(leaves[1]).Select(m => m.Item1), Flat(changed.Read(changed.ReadLayout()!)[1].Bag).Select(m => m.Item1));
        Assert.Throws<InvalidDataException>(() => changed.Read(told));
    }

    [Fact]
    public void A_histogram_has_a_value_for_each_bin() =>
        Assert.Contains("load has 3 values", Assert.Throws<ArgumentException>(() => new MetricBag { { Load, [1, 2] } }).Message);
}
