using ClipMoe.Actors.Faults;
using ClipMoe.Model.Files;

namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>kill -9 of a worker at each place of a step, of a checkpoint, of an extraction, of k-means.</summary>
[Trait("Category", "Scenario")]
public sealed class WorkerKilledInEachPhaseTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    /// <summary>One after another, while two workers train.</summary>
    private static readonly string[] OfAStep = ["Features", "Normalisers", "Gradient", "Ready", "Commit", "Checkpoint", "HalfCheckpoint"];

    /// <summary>Within so many steps a worker comes to the phase, and the one that is left takes a step.</summary>
    private const int Steps = 2, StepsWithCheckpoint = 12;

    /// <summary>
    /// Each comes to pass when the stage does. The checkpoint after step 30 is the last of mcl-1: no later one clears up after it.
    /// </summary>
    private static readonly string[] OfStages =
        ["extract-1:*:Extract", "cluster-1:*:Cluster", "cluster-1:*:Label", "mcl-1:*:Join", "mcl-1:30:HalfCheckpoint",
            "evaluate:*:Evaluate"];

    [Fact]
    public async Task The_run_ends_in_the_same_weights_with_each_sample_once_per_epoch()
    {
        await using var cluster = new TestCluster();
        string[] faults = [.. OfAStep.Select(phase => $"kill@base:*:{phase}"), .. OfStages.Select(f => $"kill@{f}")];
        var node = cluster.Start(coordinator: true, workers: 2, faults);
        foreach (var phase in OfAStep) node.Defer(Mark(phase));
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 1);
        using var run = cluster.Submit();
        foreach (var phase in OfAStep)
        {
            var held = await cluster.Holds.Until("base", workers: 2);
            node.Release(Mark(phase));
            cluster.Holds.Hold("base", held.Step + (phase.EndsWith("Checkpoint", StringComparison.Ordinal) ? StepsWithCheckpoint : Steps));
            await run.UntilTrainedBy(1, after: held.Generation);
            Assert.True(node.Happened(Mark(phase)), $"no worker was killed in {phase}\n{cluster.Log()}");
        }
        await cluster.Holds.Until("base", workers: 2);
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(node.Output);
        Assert.All(OfStages, f => Assert.True(node.Happened(MarkOf(f)), $"no worker was killed in {f}\n{cluster.Log()}"));
        Assert.Empty(Directory.GetFiles(node.Output, $"*{AtomicFile.TemporaryMark}*", SearchOption.AllDirectories));
        Assert.DoesNotContain(run.Warnings, w => w.Contains("can't be used"));
    }

    private static string Mark(string phase) => MarkOf($"base:*:{phase}");

    private static string MarkOf(string fault) => $"fault-Kill-{fault.Replace("*", "any").Replace(':', '-')}";
}
