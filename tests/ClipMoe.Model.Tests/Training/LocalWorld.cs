using ClipMoe.Model.Metrics;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Training;

/// <summary>Several workers' parts of a step in one process: what the actors do over the network, with arrays.</summary>
internal static class LocalWorld
{
    /// <summary>The gradient of the global batch, [trainable length], and what each leaf measured.</summary>
    public static (float[] Gradient, MetricBag[] Metrics) Step(
        Replica replica, StepSettings settings, int step, IReadOnlyList<MicroBatch> leaves, int workers = 1)
    {
        var deals = Enumerable.Range(0, workers).Select(w => LeafPartition.Leaves(w, leaves.Count, workers)).ToList();
        var steps = deals.Select(_ => new TrainingStep(replica, settings, step)).ToList();
        var features = steps.Zip(deals).SelectMany(s => s.First.Features([.. leaves.Take(s.Second.To).Skip(s.Second.From)])).ToList();
        steps.ForEach(s => s.BeginLoss(features));
        for (var round = 0; round < steps[0].Rounds; round++)
        {
            var blocks = steps.SelectMany(s => s.Publish()).ToList();
            steps.ForEach(s => s.Receive(blocks));
        }

        var parts = new List<(Subtree, ReadOnlyMemory<float>)>();
        var metrics = new List<MetricBag>();
        foreach (var one in steps)
        {
            parts.AddRange(one.Backward(out var shares).Select(g => (g.Node, g.Values)));
            metrics.AddRange(shares);
        }

        var gradient = new float[replica.Layout.TrainableLength];
        new ReductionTree(leaves.Count, settings.Gradients).Combine(parts, gradient);
        steps.ForEach(s => s.Dispose());
        return (gradient, [.. metrics]);
    }

    /// <summary>The sum of the leaves' shares along the tree.</summary>
    public static MetricBag Total(IReadOnlyList<MetricBag> leaves) =>
        MetricBag.Combine([.. leaves.Select((bag, leaf) => (new Subtree(leaf, leaf + 1), bag))]);
}
