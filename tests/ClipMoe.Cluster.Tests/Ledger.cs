using System.Data.Common;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Journal;
using ClipMoe.Nodes.Options;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace ClipMoe.Cluster.Tests;

/// <summary>Reads an experiment's journal as the database holds it, and works out from it which samples were used.</summary>
internal static class Ledger
{
    /// <param name="coordinator">Output folder of the coordinator, where the journal and the report are.</param>
    public static void AssertEachSampleOncePerEpoch(string coordinator, string experimentId = "tiny-1")
    {
        using var journal = new SqliteConnection($"Data Source={Path.Combine(coordinator, "cluster.db")};Mode=ReadOnly");
        AssertEachSampleOncePerEpoch(journal, Path.Combine(coordinator, experimentId), experimentId);
    }

    /// <param name="postgres">Connection string of the journal.</param>
    /// <param name="report">Folder of the report.</param>
    public static void AssertEachSampleOncePerEpoch(string postgres, string report, string experimentId)
    {
        using var journal = new NpgsqlConnection(postgres);
        AssertEachSampleOncePerEpoch(journal, report, experimentId);
    }

    /// <summary>One coordinator wrote after the other, none came back, and what later ones journaled is of later generations.</summary>
    /// <returns>How many coordinators there were.</returns>
    public static int AssertOneCoordinatorAtATime(string postgres, string experimentId = "tiny-1")
    {
        using var journal = new NpgsqlConnection(postgres);
        var entries = Read(journal, experimentId);
        var turns = entries.Where((e, i) => i == 0 || e.Writer != entries[i - 1].Writer).Select(e => e.Writer).ToList();
        Assert.Equal(turns.Distinct(), turns);
        var generations = entries.Select(e => e.Event).OfType<StepsCheckpointed>().Select(c => c.Generation!.Value).ToList();
        Assert.Equal(generations.Order(), generations);
        return turns.Count;
    }

    /// <summary>What was extracted before a restart was not extracted again after it.</summary>
    /// <param name="coordinator">Output folder of the coordinator.</param>
    public static void AssertNothingExtractedTwice(string coordinator, string experimentId = "tiny-1")
    {
        using var journal = new SqliteConnection($"Data Source={Path.Combine(coordinator, "cluster.db")};Mode=ReadOnly");
        var shards = Read(journal, experimentId).Select(e => e.Event).OfType<ShardExtracted>().Select(s => (s.Stage, s.Shard)).ToList();
        Assert.NotEmpty(shards);
        Assert.Equal(shards.Distinct(), shards);
    }

    private static void AssertEachSampleOncePerEpoch(DbConnection journal, string report, string experimentId)
    {
        var state = Read(journal, experimentId).Aggregate(ExperimentState.Empty, (s, e) => s.Apply((ExperimentEvent)e.Event));
        var experiment = ExperimentFile.Load(Path.Combine(report, "experiment.yaml"), []);
        Assert.Empty(SampleLedger.Violations(state, StagePlan.For(experiment)));
    }

    private static List<JournaledEvent> Read(DbConnection journal, string experimentId)
    {
        journal.Open();
        return [.. JournalReader.Events(journal, experimentId)];
    }
}
