using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Akka.Configuration;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Journal;
using ClipMoe.Model;
using ClipMoe.Nodes.Cluster;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe node</c>: this machine as a part of a cluster.</summary>
internal static class NodeCommand
{
    private static readonly TimeSpan LeaveWithin = TimeSpan.FromSeconds(60);

    private const string Examples = """

        Examples:
          clipmoe node --listen 127.0.0.1:4055 --out runs/cluster                       a coordinator with one worker on this machine
          clipmoe node --listen 10.0.0.7:4055 --seeds 10.0.0.1:4055 --roles worker --devices all --out /scratch/clipmoe
          clipmoe node --listen 10.0.0.1:4055 --seeds 10.0.0.1:4055,10.0.0.2:4055,10.0.0.3:4055 \
              --journal "Host=db;Database=clipmoe;Username=clipmoe"
        """;

    public static Command Build()
    {
        var listen = new Option<string>("--listen")
        {
            Description = "Address by which other nodes reach this one, and its port.",
            HelpName = "HOST:PORT",
            Required = true
        };
        var seeds = new Option<string?>("--seeds")
        {
            Description = $"Seed nodes to join through, the same list on all nodes. Default: the first hosts of " +
            $"{SeedNodes.SlurmVariable}, else this node alone.",
            HelpName = "HOST:PORT,…",
        };
        var roles = new Option<string>("--roles")
        {
            Description = "coordinator (may run the experiments), worker (computes), or both.",
            DefaultValueFactory = _ => "coordinator,worker",
            HelpName = "ROLE,…",
        };
        var devices = new Option<string>("--devices")
        {
            Description = "One worker process for each: cpu, cuda:0,cuda:1, or all (every GPU, else the processor); cpu*4 for four on " +
            "the processor.",
            DefaultValueFactory = _ => "all",
            HelpName = "NAME,…",
        };
        var threads = new Option<int?>("--threads")
        {
            Description =
            "Compute threads of each worker; bitwise equal results need equal numbers. Default: the cores divided among workers.",
            HelpName = "N"
        };
        var output = new Option<string>("--out")
        {
            Description = "Output folder; may be shared by all nodes.",
            HelpName = "DIR",
            Required = true
        };
        var journal = new Option<string>("--journal")
        {
            Description = "Where coordinators keep the state: sqlite (a file in the output folder, for one coordinator) or a PostgreSQL " +
            "connection string.",
            DefaultValueFactory = _ => "sqlite",
            HelpName = "sqlite|\"Host=…\"",
        };
        var tls = TlsOption.Create();
        var supervised = new Option<bool>("--ends-with-input")
        {
            Hidden = true,
            Description = "Exits when its standard input closes, that is, when the process that started it has ended."
        };
        var command = new Command("node",
            "Joins this machine to a cluster. Runs until Ctrl-C or SIGTERM, then leaves gracefully." + Examples)
        {
            listen, seeds, roles, devices, threads, output, journal, tls, supervised,
        };
        command.SetAction(async result =>
        {
            if (result.GetValue(supervised)) ParentProcess.LiveNoLongerThanIt(_ => { });
            var (host, port) = SeedNodes.Parse(result.GetValue(listen)!);
            var wanted = Split(result.GetValue(roles));
            if (wanted.Except([ClusterAddress.Coordinator, ClusterAddress.Worker]).FirstOrDefault() is { } unknown)
                throw new UserErrorException($"--roles {unknown} is not one of coordinator, worker.");
            var found = SeedNodes.Find(Split(result.GetValue(seeds)), Environment.GetEnvironmentVariable(SeedNodes.SlurmVariable), host,
                port);
            var folder = Path.GetFullPath(result.GetValue(output)!);
            Directory.CreateDirectory(folder);
            var workers = wanted.Contains(ClusterAddress.Worker) ? WorkerDevices.Parse(result.GetValue(devices)!) : [];
            var perWorker = result.GetValue(threads) ?? WorkerDevices.ThreadsFor(workers);
            var state = wanted.Contains(ClusterAddress.Coordinator) ? Journal(result.GetValue(journal)!, folder) : null;
            return await Run(host, port, found, state, folder, workers, perWorker, TlsOption.Files(result.GetValue(tls)));
        });
        return command;
    }

    private static string[] Split(string? list) => list?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        ?? [];

    private static Config Journal(string journal, string folder) => journal == "sqlite"
        ? JournalConfiguration.Sqlite(Path.Combine(folder, "cluster.db"))
        : journal.Contains('=') ? JournalConfiguration.PostgreSql(journal)
        : throw new UserErrorException(
        $"--journal {journal} is neither sqlite nor a PostgreSQL connection string such as \"Host=db;Database=clipmoe;Username=clipmoe\".");

    private static async Task<int> Run(
        string host, int port, IReadOnlyList<string> seeds, Config? journal, string folder, IReadOnlyList<string> devices, int threads,
        string? tls)
    {
        // First of all: a node that is told to leave while it begins leaves in good order too.
        var leave = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        var name = $"{host}:{port}";
        IReadOnlyList<string> roles = journal is null ? [ClusterAddress.Node] : [ClusterAddress.Node, ClusterAddress.Coordinator];
        await using var node = Start(new NodeHost.NodeSettings(
            name, new ClusterAddress(host, port, seeds, roles), folder, journal, TlsOption.Transport(tls) with { Log = Log },
            ClusterReport.Write));
        Log($"node {name}: {(journal is null ? "workers only" : "coordinator")}, {devices.Count} workers, seeds " +
            $"{string.Join(", ", seeds)}, output {folder}{(tls is null ? "" : ", TLS")}.");
        _ = node.Run(Log);

        var faults = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(FaultInjection.Variable));
        var workers = devices.Select((device, n) => new WorkerProcess(
            $"{device}#{n}",
            [
                "worker", "--name", $"{name}/{device}#{n}", "--host", host, "--seeds", string.Join(',', seeds), "--device", device,
                "--threads", threads.ToString(CultureInfo.InvariantCulture), "--out", folder, .. tls is null ? (string[])[]
                : ["--tls", tls],
            ],
            Log, alwaysAtOnce: faults)).ToList();
        var supervision = workers.Select(w => w.Supervise()).ToList();
        await leave.Task;
        Log("leaving the cluster; workers finish their step first.");
        workers.ForEach(w => w.Leave());
        await Task.WhenAny(Task.WhenAll(supervision), Task.Delay(LeaveWithin));
        workers.ForEach(w => w.Kill());
        await node.Leave();
        Log("left the cluster.");
        return ExitCodes.Success;

        void Stop(PosixSignalContext signal)
        {
            // A second signal ends the process as usual.
            if (leave.TrySetResult()) signal.Cancel = true;
        }
    }

    private static NodeHost Start(NodeHost.NodeSettings settings)
    {
        try
        {
            return new NodeHost(settings);
        }
        catch (Exception e)
            when (e.GetBaseException().InnerException is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
        {
            throw new UserErrorException(
                $"Port {settings.Address.Port} of this machine is in use: another node may be running here (ss -ltnp tells); stop it, " +
                $"or choose another port in --listen.", e);
        }
    }

    private static void Log(string line) => Console.WriteLine($"{DateTime.Now:HH:mm:ss.fff} {line}");
}
