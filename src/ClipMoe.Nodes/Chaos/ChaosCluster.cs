using System.Globalization;
using System.Net;
using ClipMoe.Actors.Faults;

namespace ClipMoe.Nodes.Chaos;

/// <param name="Devices">Workers of each node, as in <c>clipmoe node --devices</c>.</param>
/// <param name="Journal">sqlite: the first node alone is a coordinator; a connection string: all are.</param>
/// <param name="Output">Each node has a folder of its own in it: they share nothing but the network.</param>
internal sealed record ClusterPlan(int Nodes, string Devices, string Journal, string Output)
{
    public const string Sqlite = "sqlite";

    /// <summary>Part of what makes results bitwise equal, so the same everywhere.</summary>
    public const int ThreadsPerWorker = 1;

    public string SqliteFile => Path.Combine(Output, "node-1", "cluster.db");
}

/// <summary>Nodes and workers on this machine.</summary>
internal sealed class ChaosCluster : IAsyncDisposable
{
    private readonly ClusterPlan _plan;
    private readonly List<ChaosNode> _nodes = [];
    private int _added;

    public ChaosCluster(ClusterPlan plan)
    {
        _plan = plan;
        var addresses = Enumerable.Range(0, plan.Nodes).Select(_ => FreeAddress()).ToList();
        Seeds = plan.Journal == ClusterPlan.Sqlite ? addresses[0] : string.Join(',', addresses.Take(3));
        for (var n = 0; n < plan.Nodes; n++) _nodes.Add(Node(addresses[n], $"node-{n + 1}", n == 0 || plan.Journal != ClusterPlan.Sqlite));
    }

    private string Seeds { get; }

    /// <summary>Those that are there for good; they may be down for a while.</summary>
    public IReadOnlyList<ChaosNode> Nodes => _nodes;

    /// <summary>One more, while there is one.</summary>
    public ChaosNode? Additional { get; private set; }

    public IEnumerable<ChaosWorker> Workers() => _nodes.Append(Additional).OfType<ChaosNode>().SelectMany(n => n.Workers());

    public ChaosNode Add()
    {
        Additional = Node(FreeAddress(), $"added-{++_added}", coordinator: false);
        Additional.Start();
        return Additional;
    }

    /// <summary>The node that was added has left.</summary>
    public void Forget() => Additional = null;

    /// <summary>Kills everything.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes.Append(Additional).OfType<ChaosNode>()) await node.Kill();
    }

    private ChaosNode Node(string address, string name, bool coordinator) => new(
        address, Path.Combine(_plan.Output, name),
        [
            "--seeds", Seeds, "--roles", coordinator ? "coordinator,worker" : "worker", "--devices", _plan.Devices,
            "--threads", ClusterPlan.ThreadsPerWorker.ToString(CultureInfo.InvariantCulture), "--journal", _plan.Journal,
        ]);

    private static string FreeAddress() => $"{IPAddress.Loopback}:{ReservedPorts.Next()}";
}
