using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Journal;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Cluster.Tests;

/// <summary>Reads an experiment's journal as the database holds it, and works out from it which samples were used.</summary>
internal static class Ledger
{
    /// <param name="coordinator">Output folder of the coordinator, where the journal and the report are.</param>
    public static void AssertEachSampleOncePerEpoch(string coordinator, string experimentId = "tiny-1")
    {
        var experiment = ExperimentFile.Load(Path.Combine(coordinator, experimentId, "experiment.yaml"), []);
        Assert.Empty(SampleLedger.Violations(JournalReader.Read(Path.Combine(coordinator, "cluster.db"), experimentId), StagePlan.For(experiment)));
    }
}
