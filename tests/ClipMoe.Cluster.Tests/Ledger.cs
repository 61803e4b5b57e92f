using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Journal;
using ClipMoe.Nodes.Options;
using Microsoft.Data.Sqlite;

namespace ClipMoe.Cluster.Tests;

/// <summary>Reads an experiment's journal as the database holds it, and works out from it which samples were used.</summary>
internal static class Ledger
{
    /// <param name="coordinator">Output folder of the coordinator, where the journal and the report are.</param>
    public static void AssertEachSampleOncePerEpoch(string coordinator, string experimentId = "tiny-1")
    {
        var state = State(Path.Combine(coordinator, "cluster.db"), experimentId);
        var folder = Path.Combine(coordinator, experimentId);
        var experiment = ExperimentFile.Load(Path.Combine(folder, "experiment.yaml"), []);
        foreach (var stage in StagePlan.For(experiment).Stages.OfType<TrainModel>())
        {
            // Which samples make up a step is a function of its number, so steps that join without gap or overlap use each sample once per epoch.
            var steps = state.Ledger.Where(l => l.Stage == stage.Name).SelectMany(l => Enumerable.Range(l.FromStep, l.ToStep - l.FromStep));
            Assert.Equal(Enumerable.Range(0, state.TotalSteps[stage.Name]), steps);
        }
    }

    private static ExperimentState State(string database, string experimentId)
    {
        using var connection = new SqliteConnection($"Data Source={database};Mode=ReadOnly");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT message, manifest FROM journal WHERE persistence_id = $id ORDER BY sequence_number";
        command.Parameters.AddWithValue("$id", experimentId);
        using var rows = command.ExecuteReader();
        var state = ExperimentState.Empty;
        while (rows.Read()) state = state.Apply((ExperimentEvent)EventSerializer.Read((byte[])rows[0], rows.GetString(1)));
        return state;
    }
}
