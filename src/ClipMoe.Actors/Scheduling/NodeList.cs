using Akka.Actor;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Scheduling;

/// <summary>
/// What registered with the scheduler: nodes, which serve files, and workers; both are told where files are.
/// </summary>
internal sealed class NodeList
{
    private readonly HashSet<IActorRef> _clients = [];
    private readonly Dictionary<IActorRef, NodeHello> _nodes = [];

    /// <summary>Nodes and workers that are told where to fetch files.</summary>
    public IReadOnlyCollection<IActorRef> Clients => _clients;

    public int Coordinators => _nodes.Values.Count(n => n.Coordinator);

    /// <summary>Registered workers.</summary>
    public int Workers => _clients.Count - _nodes.Count;

    public IReadOnlyList<BulkEndpoint> FileServers => [.. _nodes.Values.Select(n => n.Files)];

    public IReadOnlyList<ListedNode> Listed => [.. _nodes.Values.Select(n => new ListedNode(n.Name, n.Coordinator)).OrderBy(n => n.Name)];

    /// <returns>Whether it was not there.</returns>
    public bool Add(IActorRef client) => _clients.Add(client);

    /// <returns>Whether that is news.</returns>
    public bool Learn(IActorRef node, NodeHello hello)
    {
        var known = _nodes.GetValueOrDefault(node);
        _nodes[node] = hello;
        return known != hello;
    }

    /// <returns>Whether it was a node.</returns>
    public bool Remove(IActorRef client)
    {
        _clients.Remove(client);
        return _nodes.Remove(client);
    }
}
