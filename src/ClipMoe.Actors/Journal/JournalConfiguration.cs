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
          journal {
            plugin = "akka.persistence.journal.sql"
            sql {
              connection-string = "{{connection.Replace("\\", "\\\\").Replace("\"", "\\\"")}}"
              provider-name = "{{provider}}"
              table-mapping = default
              auto-initialize = true
            }
          }
          snapshot-store {
            plugin = "akka.persistence.snapshot-store.sql"
            sql {
              connection-string = "{{connection.Replace("\\", "\\\\").Replace("\"", "\\\"")}}"
              provider-name = "{{provider}}"
              table-mapping = default
              auto-initialize = true
            }
          }
        }
        akka.actor {
          serializers.clipmoe-events = "{{typeof(EventSerializer).AssemblyQualifiedName}}"
          serialization-bindings {
            "{{typeof(ExperimentEvent).AssemblyQualifiedName}}" = clipmoe-events
            "{{typeof(SchedulerEvent).AssemblyQualifiedName}}" = clipmoe-events
          }
        }
        """).WithFallback(SqlPersistence.DefaultConfiguration);
}
