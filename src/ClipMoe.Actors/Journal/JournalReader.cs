using System.Data.Common;
using System.Text.Json;
using ClipMoe.Actors.Experiments;
using Microsoft.Data.Sqlite;

namespace ClipMoe.Actors.Journal;

/// <param name="Writer">The incarnation of the actor that wrote it.</param>
public sealed record JournaledEvent(object Event, string Writer);

/// <summary>Reads journals without the actors that write them. Like these it reads events by <see cref="EventSerializer"/>.</summary>
public static class JournalReader
{
    /// <summary>Reads the journal of a run that is not running.</summary>
    /// <param name="file">SQLite file.</param>
    /// <param name="id">Of the experiment.</param>
    /// <returns>The state that its events give; the empty state when it holds none.</returns>
    /// <exception cref="IOException">It is no journal, or of a later version.</exception>
    public static ExperimentState Read(string file, string id)
    {
        try
        {
            // A journal that a killed process left behind is completed when it is opened, so reading alone is not enough.
            var connect = new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadWrite, Pooling = false };
            using var connection = new SqliteConnection(connect.ConnectionString);
            connection.Open();
            if (!HasEvents(connection)) return ExperimentState.Empty;
            return Events(connection, id).Select(e => e.Event).OfType<ExperimentEvent>()
                .Aggregate(ExperimentState.Empty, (state, e) => state.Apply(e));
        }
        catch (Exception e) when (e is SqliteException or InvalidDataException or JsonException)
        {
            throw new IOException(
                $"the journal {file} can't be read ({e.Message.TrimEnd('.')}): restore it, or start a new run in another --out folder.", e);
        }
    }

    /// <summary>The events of one persistent actor, oldest first, as it recovers them.</summary>
    /// <param name="journal">An open connection to the database, of whatever kind it is.</param>
    public static IEnumerable<JournaledEvent> Events(DbConnection journal, string id)
    {
        using var command = journal.CreateCommand();
        command.CommandText = "SELECT message, manifest, writer_uuid FROM journal WHERE persistence_id = @id ORDER BY sequence_number";
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = ("id", id);
        command.Parameters.Add(parameter);
        using var rows = command.ExecuteReader();
        while (rows.Read())
            yield return new JournaledEvent(EventSerializer.Read((byte[])rows[0], rows.GetString(1)), rows.GetString(2));
    }

    private static bool HasEvents(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'journal'";
        return (long)command.ExecuteScalar()! > 0;
    }
}
