using System.Text.Json;
using ClipMoe.Actors.Experiments;
using Microsoft.Data.Sqlite;

namespace ClipMoe.Actors.Journal;

/// <summary>Reads the journal of a run that is not running.</summary>
public static class JournalReader
{
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
            return HasEvents(connection) ? Fold(connection, id) : ExperimentState.Empty;
        }
        catch (Exception e) when (e is SqliteException or InvalidDataException or JsonException)
        {
            throw new IOException(
                $"the journal {file} can't be read ({e.Message.TrimEnd('.')}): restore it, or start a new run in another --out folder.", e);
        }
    }

    private static bool HasEvents(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'journal'";
        return (long)command.ExecuteScalar()! > 0;
    }

    private static ExperimentState Fold(SqliteConnection connection, string id)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT message, manifest FROM journal WHERE persistence_id = $id ORDER BY sequence_number";
        command.Parameters.AddWithValue("$id", id);
        using var rows = command.ExecuteReader();
        var state = ExperimentState.Empty;
        while (rows.Read())
            if (EventSerializer.Read((byte[])rows[0], rows.GetString(1)) is ExperimentEvent e) state = state.Apply(e);
        return state;
    }
}
