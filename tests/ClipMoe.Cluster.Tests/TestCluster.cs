using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading.Channels;

namespace ClipMoe.Cluster.Tests;

/// <summary>
/// Nodes and their workers as real processes on this machine, each node with an output folder of its own, so that nothing is shared but the
/// network. At the end no process may be left.
/// </summary>
internal sealed class TestCluster : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private readonly string _root = Directory.CreateTempSubdirectory("clipmoe-cluster-").FullName;
    private readonly List<TestNode> _nodes = [];
    private readonly string? _journal;
    private readonly VirtualNetwork? _network;

    /// <param name="journal">Connection string; null: a SQLite file of the first node.</param>
    /// <param name="network">Each node is on a host of its own there; null: all are on this one.</param>
    public TestCluster(string? journal = null, VirtualNetwork? network = null) => (_journal, _network) = (journal, network);

    public IReadOnlyList<TestNode> Nodes => _nodes;

    /// <summary>Certificate and key of the nodes that are started and the commands that are run from now on.</summary>
    public string? Tls { get; set; }

    /// <summary>How a command finds the cluster.</summary>
    private string[] Here => ["--cluster", string.Join(',', _nodes.Select(n => n.Address)), .. TestNode.TlsOption(Tls)];

    /// <param name="address">Of a node.</param>
    public int HostOf(string address) => _nodes.FindIndex(n => n.Address == address);

    /// <summary>Output folder of a node, which may be started later.</summary>
    public string OutputOf(int node) => Path.Combine(_root, $"node-{node}");

    /// <param name="coordinator">Whether it may run the experiments.</param>
    /// <param name="workers">Worker processes.</param>
    /// <param name="faults">Faults of its first worker, as <c>kill@base:12:gradient</c>.</param>
    public TestNode Start(bool coordinator, int workers, params string[] faults)
    {
        var address = _network is null ? $"127.0.0.1:{FreePort()}" : On(_nodes.Count);
        return Start(address, _nodes.Count == 0 ? address : _nodes[0].Address, coordinator, workers, faults);
    }

    /// <summary>Starts three coordinators that know of each other from the beginning, each on its host and with a worker.</summary>
    public void StartThreeCoordinators()
    {
        var seeds = string.Join(',', Enumerable.Range(0, 3).Select(On));
        for (var host = 0; host < 3; host++) Start(On(host), seeds, coordinator: true, workers: 1);
    }

    private string On(int host) => $"{_network!.AddressOf(host)}:4055";

    private TestNode Start(string address, string seeds, bool coordinator, int workers, params string[] faults)
    {
        var host = _nodes.Count;
        var node = new TestNode(
            (program, arguments) => _network?.On(host, program, arguments) ?? new ProcessStartInfo(program, arguments),
            address, seeds, coordinator, workers, OutputOf(host), _journal, faults, Tls);
        _nodes.Add(node);
        node.Start();
        return node;
    }

    /// <summary>Submits the tiny pipeline.</summary>
    /// <returns>Its events, until it ends.</returns>
    public Following Submit(params string[] more) => new(
        ["submit", .. UndisturbedRun.Experiment, .. more, .. Here, "--wait", "--json", "--fetch", Path.Combine(_root, "fetched")], Log);

    /// <summary>Follows the experiment that runs to its end.</summary>
    public Following Watch() => new(
        ["watch", .. Here, "--json", "--fetch", Path.Combine(_root, "fetched")], Log);

    public string Fetched => Path.Combine(_root, "fetched");

    /// <summary>Runs a command against the cluster.</summary>
    public async Task<string> Ask(params string[] command)
    {
        var (exitCode, output, errors) = await Program([.. command, .. Here]);
        Assert.True(exitCode == 0, $"{string.Join(' ', command)}: {errors}");
        return output;
    }

    /// <summary>Runs a command against the cluster that must fail.</summary>
    /// <returns>What it says.</returns>
    public async Task<string> AskInVain(params string[] command)
    {
        var (exitCode, output, errors) = await Program([.. command, .. Here]);
        Assert.True(exitCode == 1, $"{string.Join(' ', command)} ended with {exitCode}: {output}");
        return errors;
    }

    public async Task<JsonElement> Status() => JsonDocument.Parse(await Ask("status", "--json")).RootElement;

    /// <summary>Waits until so many workers are active.</summary>
    public async Task UntilWorkers(int count)
    {
        try
        {
            await Ask("status", "--wait-workers", $"{count}").WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"the cluster did not come to {count} active workers:\n{Log()}");
        }
    }

    /// <summary>Waits until something is so, asking again and again.</summary>
    public async Task Until(Func<Task<bool>> isSo)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!await isSo())
            if (patience.IsCancellationRequested) throw new TimeoutException($"it did not come to pass:\n{Log()}");
    }

    /// <summary>What all nodes said.</summary>
    public string Log() => string.Join("\n", _nodes.Select(n => $"--- {n.Address}\n{n.Log}"));

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.Kill();
        var left = Process.GetProcessesByName("clipmoe").Concat(Process.GetProcessesByName("dotnet"))
            .Where(p => CommandLineOf(p.Id).Contains(_root, StringComparison.Ordinal)).Select(p => p.Id).ToList();
        Directory.Delete(_root, recursive: true);
        Assert.Empty(left);
    }

    public static string Executable => Path.Combine(AppContext.BaseDirectory, "clipmoe");

    public static string CommandLineOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Replace('\0', ' ');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static async Task<(int ExitCode, string Output, string Errors)> Program(IEnumerable<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output, await errors);
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}

/// <summary>One node with its workers.</summary>
/// <param name="onHost">Runs a program on the node's host.</param>
internal sealed class TestNode(
    Func<string, IEnumerable<string>, ProcessStartInfo> onHost, string address, string seeds, bool coordinator, int workers, string output,
    string? journal, IReadOnlyList<string> faults, string? tls = null)
{
    private readonly List<(DateTime Time, string Text)> _log = [];
    private TaskCompletionSource _logged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process? _process;

    public string Address => address;

    public string Output => output;

    public string Log
    {
        get
        {
            lock (_log) return string.Join('\n', _log.Select(l => l.Text));
        }
    }

    public static string[] TlsOption(string? files) => files is null ? [] : ["--tls", files];

    public void Start()
    {
        string[] arguments =
        [
            "node", "--listen", Address, "--seeds", seeds, "--out", output, "--threads", "1",
            "--roles", string.Join(',', [.. coordinator ? ["coordinator"] : (string[])[], .. workers > 0 ? ["worker"] : (string[])[]]),
            "--devices", $"cpu*{Math.Max(1, workers)}", .. journal is null ? (string[])[] : ["--journal", journal], .. TlsOption(tls),
        ];
        var start = onHost(TestCluster.Executable, arguments);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.Environment["CLIPMOE_FAULTS"] = string.Join(';', faults.Select(f => $"{Address}/cpu#0={f}"));
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Add(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => Add(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Waits until the node says something.</summary>
    /// <param name="after">What it said up to then does not count; in UTC.</param>
    /// <returns>When it did, in UTC.</returns>
    public async Task<DateTime> UntilLogged(string text, DateTime after = default)
    {
        using var patience = new CancellationTokenSource(TestCluster.Patience);
        while (true)
        {
            Task more;
            lock (_log)
            {
                if (_log.Find(l => l.Time > after && l.Text.Contains(text, StringComparison.Ordinal)) is { Text: not null } found) return found.Time;
                more = _logged.Task;
            }
            try
            {
                await more.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{Address} did not say '{text}':\n{Log}");
            }
        }
    }

    private void Add(string line)
    {
        lock (_log)
        {
            _log.Add((DateTime.UtcNow, line));
            _logged.SetResult();
            _logged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>kill -9 of the node; its workers end with it.</summary>
    public async Task Kill()
    {
        if (_process is null) return;
        var children = Workers();
        _process.Kill();
        await _process.WaitForExitAsync();
        foreach (var child in children) await Gone(child);
    }

    public async Task Restart()
    {
        await Kill();
        Start();
    }

    /// <summary>SIGTERM, and the end of the process.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> Terminate()
    {
        Signal(_process!.Id, "TERM");
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    /// <summary>kill -9 of a worker process; the node starts it again.</summary>
    public void KillWorker(int index = 0) => Process.GetProcessById(Workers()[index]).Kill();

    public void StopWorker() => Signal(Workers()[0], "STOP");

    public void ContinueWorker() => Signal(Workers()[0], "CONT");

    /// <summary>Process numbers of its workers, in the order of their names.</summary>
    public IReadOnlyList<int> Workers() =>
        [.. Directory.EnumerateDirectories("/proc").Select(p => int.TryParse(Path.GetFileName(p), out var id) ? id : 0).Where(id => id > 0)
            .Select(id => (Id: id, Line: TestCluster.CommandLineOf(id))).Where(p => p.Line.Contains($"worker --name {Address}/", StringComparison.Ordinal))
            .OrderBy(p => p.Line, StringComparer.Ordinal).Select(p => p.Id)];

    private static async Task Gone(int process)
    {
        try
        {
            await Process.GetProcessById(process).WaitForExitAsync();
        }
        catch (ArgumentException)
        {
            // It is.
        }
    }

    private static void Signal(int process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process}"]);
        kill.WaitForExit();
    }
}

/// <summary>A process that prints JSON events.</summary>
/// <remarks>What does not happen within <see cref="TestCluster.Patience"/> is reported with what the nodes said.</remarks>
internal sealed class Following : IDisposable
{
    private readonly Process _process;
    private readonly Channel<JsonElement> _events = Channel.CreateUnbounded<JsonElement>();
    private readonly CancellationTokenSource _patience = new(TestCluster.Patience);
    private readonly Func<string> _log;
    private readonly Task<string> _errors;
    private string _last = "";

    /// <param name="log">What the nodes said.</param>
    public Following(IEnumerable<string> arguments, Func<string> log)
    {
        _log = log;
        _process = Process.Start(new ProcessStartInfo(TestCluster.Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _errors = _process.StandardError.ReadToEndAsync();
        _ = Read();
    }

    /// <summary>Warnings so far.</summary>
    public ConcurrentQueue<string> Warnings { get; } = [];

    /// <summary>Waits for an event of a kind, of a stage, with at least so many steps (shards, iterations) done.</summary>
    public async Task<JsonElement> Until(string kind, string? stage = null, int done = 0)
    {
        try
        {
            await foreach (var e in _events.Reader.ReadAllAsync(_patience.Token))
            {
                _last = e.ToString();
                if (e.GetProperty("event").GetString() != kind) continue;
                if (stage is not null && e.GetProperty("stage").GetString() != stage) continue;
                if (done > 0 && e.GetProperty("done").GetInt32() < done) continue;
                return e;
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{kind} of {stage} did not come; the last event is {_last}\n{_log()}");
        }
        throw new InvalidOperationException($"the run ended before {kind} of {stage}: {string.Join("; ", Warnings)} {await _errors}");
    }

    /// <summary>Waits until a step is committed by so many workers.</summary>
    public async Task UntilTrainedBy(int workers)
    {
        while ((await Until("stage_progress")).GetProperty("workers").GetInt32() != workers)
        {
            // The next event tells.
        }
    }

    /// <summary>Waits for the end of the run.</summary>
    /// <returns>Hash of the final weights.</returns>
    public async Task<string> End()
    {
        var ended = await Until("run_ended");
        await _process.WaitForExitAsync(_patience.Token);
        Assert.Equal(0, _process.ExitCode);
        return ended.GetProperty("weights_sha256").GetString()!;
    }

    public async Task<int> ExitCode()
    {
        await _process.WaitForExitAsync(_patience.Token);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
        _patience.Dispose();
    }

    private async Task Read()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (!line.StartsWith('{')) continue;
            var e = JsonDocument.Parse(line).RootElement;
            if (e.GetProperty("event").GetString() == "run_warning") Warnings.Enqueue(e.GetProperty("message").GetString()!);
            _events.Writer.TryWrite(e);
        }
        _events.Writer.Complete();
    }
}
