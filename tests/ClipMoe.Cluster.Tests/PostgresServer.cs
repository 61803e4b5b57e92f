using System.Diagnostics;
using ClipMoe.Actors.Faults;

namespace ClipMoe.Cluster.Tests;

/// <summary>
/// A PostgreSQL server of its own, in a folder of its own, on a free port. Run as root it gives itself the user postgres, as the server
/// demands.
/// </summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-postgres-").FullName;
    private readonly string _host;
    private readonly int _port;

    private PostgresServer(string host, int port) => (_host, _port) = (host, port);

    public string ConnectionString => $"Host={_host};Port={_port};Database=postgres;Username=postgres";

    /// <param name="host">Address of this machine on which it listens; what reaches that may connect.</param>
    public static async Task<PostgresServer> Start(string host = "127.0.0.1")
    {
        var server = new PostgresServer(host, ReservedPorts.Next());
        if (Environment.UserName == "root") await Run("chown", "postgres", server._folder);
        await server.Postgres("initdb", "--no-sync", "-D", server.Data, "-A", "trust", "-U", "postgres");
        await File.AppendAllTextAsync(Path.Combine(server.Data, "pg_hba.conf"), $"host all all {host}/24 trust\n");
        await server.Continue();
        return server;
    }

    /// <summary>Starts it again after <see cref="Stop"/>; returns when it takes connections.</summary>
    /// <remarks>Its processes are stopped, the machine never is: nothing is lost that is not yet on the disk.</remarks>
    public Task Continue() => Postgres(
        "pg_ctl", "-D", Data, "-w", "-l", Path.Combine(_folder, "log"), "-o", $"-h {_host} -p {_port} -k {_folder} -c fsync=off", "start");

    /// <summary>Breaks all connections and takes no more.</summary>
    public Task Stop() => Postgres("pg_ctl", "-D", Data, "-w", "-m", "immediate", "stop");

    public async ValueTask DisposeAsync()
    {
        await Stop();
        Directory.Delete(_folder, recursive: true);
    }

    private string Data => Path.Combine(_folder, "data");

    private static string Binaries => Directory.GetDirectories("/usr/lib/postgresql").Select(d => Path.Combine(d, "bin")).Order().Last();

    private Task Postgres(string program, params string[] arguments)
    {
        var path = Path.Combine(Binaries, program);
        return Environment.UserName == "root" ? Run("runuser", ["-u", "postgres", "--", path, .. arguments]) : Run(path, arguments);
    }

    private static async Task Run(string program, params string[] arguments)
    {
        // The server inherits what its starter writes to, so its output goes nowhere rather than to a pipe that would stay open.
        var start = new ProcessStartInfo("sh", ["-c", "exec \"$0\" \"$@\" >/dev/null 2>&1 </dev/null", program, .. arguments]);
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }
}
