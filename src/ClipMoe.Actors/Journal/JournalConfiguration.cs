using Akka.Configuration;
using Akka.Persistence.Sql;
using ClipMoe.Actors.Experiments;
using Microsoft.Data.Sqlite;

namespace ClipMoe.Actors.Journal;

/// <summary>Akka configuration of the journal.</summary>
public static class JournalConfiguration
{
    /// <summary>Events in a SQLite file. Synchronous writes: what was acknowledged survives a kill -9 and a power cut.</summary>
    public static Config Sqlite(string file) => Sql("SQLite.MS", new SqliteConnectionStringBuilder { DataSource = file }.ConnectionString);

    /// <summary>Events in a PostgreSQL database, for several coordinators on different machines.</summary>
    /// <param name="connection">As Npgsql reads it: <c>Host=…;Database=…;Username=…</c>.</param>
    public static Config PostgreSql(string connection) => Sql("PostgreSQL.15", connection);

    private static Config Sql(string provider, string connection) => ConfigurationFactory.ParseString($$"""
        akka.persistence {
          {{Plugin("journal", provider, connection)}}
          {{Plugin("snapshot-store", provider, connection)}}
        }
        akka.actor {
          serializers.clipmoe-events = "{{typeof(EventSerializer).AssemblyQualifiedName}}"
          serialization-bindings {
            "{{typeof(ExperimentEvent).AssemblyQualifiedName}}" = clipmoe-events
            "{{typeof(SchedulerEvent).AssemblyQualifiedName}}" = clipmoe-events
          }
        }
        """).WithFallback(SqlPersistence.DefaultConfiguration);

    /// <summary>Journal and snapshots are in the same database.</summary>
    private static string Plugin(string name, string provider, string connection) => $$"""
        {{name}} {
          plugin = "akka.persistence.{{name}}.sql"
          sql {
            connection-string = "{{connection.Replace("\\", "\\\\").Replace("\"", "\\\"")}}"
            provider-name = "{{provider}}"
            table-mapping = default
            auto-initialize = true
          }
        }
        """;
}
