using System.Diagnostics;
using System.Text.Json;
using ClipMoe.Actors.Faults;

namespace ClipMoe.Cluster.Tests;

/// <summary>
/// Nodes and their workers as real processes on this machine, each node as a rule with an output folder of its own, so that nothing is
/// shared but the network. At the end no process may be left.
/// </summary>
internal sealed class TestCluster : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private readonly string _root = Directory.CreateTempSubdirectory("clipmoe-cluster-").FullName;
    private readonly List<TestNode> _nodes = [];
    private readonly string? _journal;
    private readonly VirtualNetwork? _network;
    private readonly bool _sharedFolder;

    /// <param name="journal">Connection string; null: a SQLite file of the first node.</param>
    /// <param name="network">Each node is on a host of its own there; null: all are on this one.</param>
    /// <param name="sharedFolder">All nodes have the same output folder.</param>
    public TestCluster(string? journal = null, VirtualNetwork? network = null, bool sharedFolder = false) =>
        (_journal, _network, _sharedFolder, Holds) = (journal, network, sharedFolder, new RunHolds(Path.Combine(_root, "holds"), Log));

    public IReadOnlyList<TestNode> Nodes => _nodes;

    /// <summary>The steps at which its runs are held.</summary>
    public RunHolds Holds { get; }

    /// <summary>Certificate and key of the nodes that are started and the commands that are run from now on.</summary>
    public string? Tls { get; set; }

    /// <summary>How a command finds the cluster.</summary>
    private string[] Here => ["--cluster", string.Join(',', _nodes.Select(n => n.Address)), .. TestNode.TlsOption(Tls)];

    /// <param name="address">Of a node.</param>
    public int HostOf(string address) => _nodes.FindIndex(n => n.Address == address);

    /// <summary>Output folder of a node, which may be started later.</summary>
    public string OutputOf(int node) => Path.Combine(_root, _sharedFolder ? "shared" : $"node-{node}");

    /// <param name="coordinator">Whether it may run the experiments.</param>
    /// <param name="workers">Worker processes.</param>
    /// <param name="faults">As <c>kill@base:12:gradient</c>; each happens once, to whichever of its workers comes there first.</param>
    public TestNode Start(bool coordinator, int workers, params string[] faults)
    {
        var address = AddressOn(_nodes.Count);
        return Start(address, _nodes.Count == 0 ? address : _nodes[0].Address, coordinator, workers, faults);
    }

    /// <summary>
    /// Starts three coordinators that know of each other from the beginning, each with a worker: what is removed from the cluster finds
    /// back also when one of them is lost for good.
    /// </summary>
    public void StartThreeCoordinators()
    {
        string[] seeds = [.. Enumerable.Range(0, 3).Select(AddressOn)];
        foreach (var address in seeds) Start(address, string.Join(',', seeds), coordinator: true, workers: 1);
    }

    private string AddressOn(int host) => _network is null ? $"127.0.0.1:{ReservedPorts.Next()}" : $"{_network.AddressOf(host)}:4055";

    private TestNode Start(string address, string seeds, bool coordinator, int workers, params string[] faults)
    {
        var host = _nodes.Count;
        var node = new TestNode(
            (program, arguments) => _network?.On(host, program, arguments) ?? new ProcessStartInfo(program, arguments),
            address, seeds, coordinator, workers, OutputOf(host), _journal, faults, Holds.Folder, Tls);
        _nodes.Add(node);
        node.Start();
        return node;
    }

    /// <summary>Submits the tiny pipeline.</summary>
    /// <returns>Its events, until it ends.</returns>
    public Following Submit(params string[] more) => new(
        ["submit", .. UndisturbedRun.Experiment, .. more, .. Here, "--wait", "--json", "--fetch", Path.Combine(_root, "fetched"),
            "--request", $"{Guid.NewGuid()}"], Log);

    /// <summary>Follows the experiment that runs to its end.</summary>
    public Following Watch() => new(
        ["watch", .. Here, "--json", "--fetch", Path.Combine(_root, "fetched")], Log);

    public string Fetched => Path.Combine(_root, "fetched");

    /// <summary>Runs a command against the cluster.</summary>
    public async Task<string> Ask(params string[] command)
    {
        using var patience = new CancellationTokenSource(Patience);
        return await Ask(command, patience.Token);
    }

    private async Task<string> Ask(string[] command, CancellationToken patience)
    {
        var (exitCode, output, errors) = await Program([.. command, .. Here], patience);
        while (IsUnanswered(errors))
            (exitCode, output, errors) = await Program([.. command, .. Here], patience);
        Assert.True(exitCode == 0, $"{string.Join(' ', command)}: {errors}\n{Log()}");
        return output;
    }

    /// <summary>Runs a command against the cluster that must fail.</summary>
    /// <returns>What it says.</returns>
    public async Task<string> AskInVain(params string[] command)
    {
        using var patience = new CancellationTokenSource(Patience);
        var (exitCode, output, errors) = await Program([.. command, .. Here], patience.Token);
        Assert.True(exitCode == 1, $"{string.Join(' ', command)} ended with {exitCode}: {output}");
        return errors;
    }

    public async Task<JsonElement> Status() => JsonDocument.Parse(await Ask("status", "--json")).RootElement;

    /// <summary>Waits until so many workers are active, or a node fails.</summary>
    public async Task UntilWorkers(int count)
    {
        using var patience = new CancellationTokenSource(Patience);
        var enough = Ask(["status", "--wait-workers", $"{count}"], patience.Token);
        await Task.WhenAny([enough, .. _nodes.Select(n => n.Failed)]);
        var failed = _nodes.Select(n => n.Failed).FirstOrDefault(f => f.IsFaulted);
        if (failed is not null) await patience.CancelAsync();
        try
        {
            await enough;
        }
        catch (OperationCanceledException)
        {
            if (failed is not null) await failed;
            throw new TimeoutException($"the cluster did not come to {count} active workers:\n{Log()}");
        }
    }

    /// <summary>Waits until something is so, asking again and again.</summary>
    public async Task Until(Func<Task<bool>> isSo)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!await isSo())
            if (patience.IsCancellationRequested) throw new TimeoutException($"the condition was not met:\n{Log()}");
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

    /// <summary>
    /// Whether a command had no answer: on a machine that is busy with other things a node may not come to give it in time.
    /// </summary>
    /// <param name="errors">What the command said.</param>
    public static bool IsUnanswered(string errors) => errors.Contains("no answer from", StringComparison.Ordinal);

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

    /// <exception cref="OperationCanceledException">It did not end in time, and was killed.</exception>
    private static async Task<(int ExitCode, string Output, string Errors)> Program(IEnumerable<string> arguments,
        CancellationToken patience)
    {
        using var process = Process.Start(new ProcessStartInfo(Executable, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true
        })!;
        await using var killed = patience.Register(() => process.Kill());
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        patience.ThrowIfCancellationRequested();
        return (process.ExitCode, output, await errors);
    }
}
