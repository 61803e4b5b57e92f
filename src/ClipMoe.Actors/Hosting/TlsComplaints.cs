using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Remote;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// Says so, once for each node, when it is TLS that keeps this process from connecting to others. Outlives actor systems, which Akka ends
/// as soon as a node that they connect to refuses their certificate.
/// </summary>
/// <param name="mine">Null: this process has no certificate.</param>
internal sealed class TlsComplaints(ClusterCertificate? mine, Action<string> log)
{
    private readonly ConcurrentDictionary<string, Task> _probes = [];
    private readonly ConcurrentDictionary<string, bool> _said = [], _connected = [];

    /// <summary>Heeds what goes wrong with connections of an actor system.</summary>
    public void Watch(ActorSystem system) => system.ActorOf(Props.Create(() => new Listener(this)), "tls");

    /// <summary>
    /// A connection to a node failed. Probes are not sent without need: a node without TLS takes one for a message, and logs an
    /// error.
    /// </summary>
    private void About(string node, Exception cause)
    {
        if (_connected.ContainsKey(node) || cause.ToString().Contains("Connection refused", StringComparison.Ordinal)) return;
        if (_probes.TryGetValue(node, out var probe) && !probe.IsCompleted) return;
        _probes[node] = Probe(node);
    }

    private async Task Probe(string node)
    {
        if (await TlsProbe.Complaint(node, mine) is { } complaint && _said.TryAdd(complaint, true)) log($"can't connect: {complaint}");
    }

    private sealed class Listener : ReceiveActor
    {
        public Listener(TlsComplaints complaints)
        {
            Receive<AssociatedEvent>(e => complaints._connected.TryAdd(ClusterAddress.NodeOf(e.RemoteAddress), true));
            Receive<AssociationErrorEvent>(e => !e.IsInbound, e => complaints.About(ClusterAddress.NodeOf(e.RemoteAddress), e.Cause));
        }

        protected override void PreStart()
        {
            Context.System.EventStream.Subscribe(Self, typeof(AssociatedEvent));
            Context.System.EventStream.Subscribe(Self, typeof(AssociationErrorEvent));
        }
    }
}
