using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Journal;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Sampling;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>Reads the journal of a run as the database holds it, and works out from it which samples were used.</summary>
internal static class Ledger
{
    public static void AssertEachSampleOncePerEpoch(string folder)
    {
        var state = State(folder);
        var experiment = ExperimentFile.Load(Path.Combine(folder, "experiment.yaml"), []);
        using var workspace = new Workspace("experiment", experiment, "", new RunFolder(folder), new WorkerDevice("cpu", 1));
        workspace.Open(state.Data!);
        foreach (var stage in StagePlan.For(experiment).Stages.OfType<TrainModel>())
        {
            var steps = StepsOf(state, stage.Name);
            Assert.Equal(Enumerable.Range(0, state.TotalSteps[stage.Name]), steps);

            using var order = workspace.OrderOf(stage, state);
            foreach (var epoch in steps.GroupBy(s => s / order.BatchesPerEpoch))
            {
                var used = epoch.SelectMany(s => order.Batch(s)).ToList();
                Assert.Equal(used.Count, used.Distinct().Count());
                if (epoch.Count() == order.BatchesPerEpoch)
                    Assert.Equal(Enumerable.Range(0, workspace.Data.Train.Length), used.Order());
            }
        }
    }

    /// <summary>The newest checkpoint that the journal knows of.</summary>
    public static StepsCheckpointed LastCheckpoint(string folder) => State(folder).Ledger[^1];

    /// <summary>Every committed step of a stage, once for each time that the ledger names it.</summary>
    private static List<int> StepsOf(ExperimentState state, string stage) =>
        [.. state.Ledger.Where(l => l.Stage == stage).SelectMany(l => Enumerable.Range(l.FromStep, l.ToStep - l.FromStep))];

    private static ExperimentState State(string folder) => JournalReader.Read(Path.Combine(folder, "journal.db"), "experiment");
}
