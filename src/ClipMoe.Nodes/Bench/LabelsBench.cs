using System.CommandLine;
using System.Diagnostics;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Sampling;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench labels</c>: what the pseudo labels of a large data set cost the coordinator and one worker.</summary>
internal static class LabelsBench
{
    public static Command Build()
    {
        var samples = BenchOptions.AtLeast("--samples", 1, 1_000_000, "Number of samples.");
        var clusters = BenchOptions.AtLeast("--clusters", 1, 3, "k per modality.");
        var stages = BenchOptions.AtLeast("--stages", 1, 3, "Stages of accumulated labels.");
        var batch = BenchOptions.AtLeast("--batch", 1, 800, "Global batch size.");
        var seconds = BenchOptions.AtLeast("--seconds", 1, 5, "How long to draw batches.");
        var json = BenchOptions.Json();
        var command = new Command(
            "labels",
            """
            Writes simulated label shards with very unequal clusters into a temporary folder, then measures the coordinator, which writes
            their index, and one worker, which opens it and draws batches.
            Example: clipmoe bench labels --samples 100000000 --clusters 3 --stages 3 --json
            """)
        { samples, clusters, stages, batch, seconds, json };
        command.SetAction(parsed =>
        {
            using var folder = new TemporaryFolder();
            var figures = Measure(
                folder.Path, parsed.GetValue(samples), parsed.GetValue(clusters), parsed.GetValue(stages), parsed.GetValue(batch),
                parsed.GetValue(seconds));
            BenchOptions.Print(figures, parsed.GetValue(json), Describe);
            return ExitCodes.Success;
        });
        return command;
    }

    /// <param name="Labels">Distinct accumulated labels.</param>
    /// <param name="Runs">Pairs of a shard and a label that occurs in it: the rows of the index.</param>
    /// <param name="ShardMegabytes">All label shards on disk.</param>
    /// <param name="Facts">Coordinator: the state that the journal's facts of all feature shards of all stages fold to.</param>
    /// <param name="Counts">Workers: accumulating and writing all shards; its result is what they tell the coordinator of them.</param>
    /// <param name="Index">Coordinator: making and writing the index from that.</param>
    /// <param name="Open">Worker: opening the order; its result is the index and the plan of the batches.</param>
    /// <param name="First">Worker: the first batches, until nearly all shards are opened and checked.</param>
    /// <param name="Batches">Worker: more batches.</param>
    private sealed record LabelsResult(
        int Samples, int Clusters, int Stages, int Shards, int ShardSize, int Labels, long Runs, double ShardMegabytes,
        double IndexMegabytes,
        ResourceUse Facts, ResourceUse Counts, ResourceUse Index, ResourceUse Open, ResourceUse First, ResourceUse Batches,
        int BatchSize, int BatchesPerEpoch, int FirstBatches, double BatchesPerSecond, double BatchesPerCpuSecond);

    private static LabelsResult Measure(string folder, int samples, int clusters, int stages, int batchSize, int seconds)
    {
        var layout = ShardLayout.For(samples);
        var path = Path.Combine(folder, "labels.safetensors");
        var (_, facts) = ResourceUse.Of(() => Facts(layout, stages));
        var (shards, counts) = ResourceUse.Of(() => WriteShards(path, layout, clusters, stages));
        var (sha256, index) = ResourceUse.Of(() => LabelIndexFile.Write(path, LabelIndex.Create(layout, clusters, shards)));
        var (labels, runs) = (shards.SelectMany(s => s.Labels).Distinct().Count(), shards.Sum(s => (long)s.Labels.Count));
        shards = [];

        var (order, open) = ResourceUse.Of(() => EpochOrder.ClusterPure(seed: 1, stage: 1, ShardedLabels.Open(path, sha256), batchSize));
        using (order)
        {
            // Ten samples for each shard: one in 20,000 shards is still untouched then.
            var firstBatches = (int)(10L * layout.Count / batchSize) + 1;
            var (_, first) = ResourceUse.Of(() => Draw(order, 0, step => step < firstBatches));
            var clock = new Stopwatch();
            var (moreBatches, more) = ResourceUse.Of(() =>
            {
                clock.Start();
                return Draw(order, firstBatches, _ => clock.Elapsed.TotalSeconds < seconds);
            });
            return new LabelsResult(
                samples, clusters, stages, layout.Count, layout.ShardSize, labels, runs,
                Directory.GetFiles(folder).Where(f => f != path).Sum(f => new FileInfo(f).Length) / 1e6, new FileInfo(path).Length / 1e6,
                facts, counts, index, open, first, more,
                batchSize, order.BatchesPerEpoch, firstBatches, moreBatches / more.Seconds, moreBatches / more.CpuSeconds);
        }
    }

    private static ExperimentState Facts(ShardLayout layout, int stages)
    {
        var state = ExperimentState.Empty;
        for (var stage = 1; stage <= stages; stage++)
        {
            var name = StagePlan.Extract(stage);
            for (var shard = 0; shard < layout.Count; shard++)
                state = state.Apply(new ShardExtracted(name, shard, RunFolder.ShardFile(name, shard), new string('0', 64)));
        }
        return state;
    }

    private static LabeledShard[] WriteShards(string index, ShardLayout layout, int clusters, int stages)
    {
        var shards = new LabeledShard[layout.Count];
        Parallel.For(0, layout.Count, shard =>
        {
            var (first, end) = layout[shard];
            var labels = PseudoLabels.None(end - first, clusters);
            for (var stage = 0; stage < stages; stage++)
                labels = labels.Accumulate(Joint(RandomKey.FromSeed(1).Derive(stage), first, end, clusters));
            shards[shard] = LabelShardFile.Write(LabelIndexFile.ShardPath(index, shard), shard, labels);
        });
        return shards;
    }

    /// <summary>Joint clusters from very common to rare.</summary>
    private static int[] Joint(RandomKey stage, int first, int end, int clusters)
    {
        var joint = new int[end - first];
        for (var i = 0; i < joint.Length; i++)
        {
            var u = stage.Unit(first + i);
            joint[i] = (int)(u * u * u * clusters * clusters);
        }
        return joint;
    }

    private static int Draw(EpochOrder order, int from, Func<int, bool> goOn)
    {
        var step = from;
        while (goOn(step)) order.Batch(step++);
        return step - from;
    }

    private static string Describe(LabelsResult f) => string.Join(Environment.NewLine,
        $"{f.Samples:N0} samples, {f.Labels:N0} labels, {f.Shards:N0} shards of {f.ShardSize:N0}: " +
            $"{f.ShardMegabytes:N0} MB of label shards, {f.IndexMegabytes:N1} MB of index",
        $"workers      {f.Samples / f.Counts.Seconds / 1e6:F1} M labels/s accumulated and written on all cores of this machine",
        $"coordinator  {f.Facts.HeldMegabytes:F1} MB of journal facts, {f.Counts.HeldMegabytes:F1} MB of counts; " +
            $"index written in {f.Index.Seconds:F2} s (peak +{f.Index.PeakManagedMegabytes:F0} MB)",
        $"one worker   opens in {f.Open.Seconds:F2} s and holds {f.Open.HeldMegabytes:F1} MB; {f.FirstBatches:N0} batches of " +
        $"{f.BatchSize} " +
            $"in {f.First.Seconds:F2} s open all shards, then {f.BatchesPerSecond:F0} batches/s ({f.BatchesPerCpuSecond:F0} per CPU " +
            $"second); " +
            $"resident +{f.First.PeakResidentMegabytes + f.Batches.PeakResidentMegabytes:F0} MB with mapped pages");
}
