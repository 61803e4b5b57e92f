using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Hosting;

/// <summary>Talks to a cluster from outside it, over any of its nodes.</summary>
public sealed class ClusterClient : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ActorSystem _system;
    private readonly IReadOnlyList<string> _nodes;

    /// <param name="nodes">host:port of nodes, asked in turn until one answers.</param>
    /// <param name="transport">How files are fetched, and with which certificate nodes are spoken to.</param>
    /// <exception cref="IOException">None can be reached.</exception>
    public ClusterClient(IReadOnlyList<string> nodes, TransportSettings transport)
    {
        (_nodes, Transport) = (nodes, transport);
        var configuration = Akka.Configuration.ConfigurationFactory.ParseString("akka.actor.provider = remote\nakka.loglevel = OFF")
            .WithFallback(ClusterConfiguration.Of(new ClusterAddress(OwnAddress(nodes), 0, [], []), Tls));
        _system = ActorSystem.Create(ClusterAddress.System, ClusterConfiguration.Setup(configuration, transport.Certificate));
    }

    public TransportSettings Transport { get; }

    private bool Tls => Transport.Certificate is not null;

    /// <summary>Asks the manager something.</summary>
    /// <returns>Its answer; never a <see cref="CommandRefused"/>.</returns>
    /// <exception cref="Model.UserErrorException">It refused, and says why.</exception>
    /// <exception cref="IOException">No node answered.</exception>
    public async Task<T> Ask<T>(object request)
        where T : class
    {
        foreach (var node in _nodes)
        {
            try
            {
                return await Gateway(node).Ask<object>(request, Patience) switch
                {
                    T answer => answer,
                    CommandRefused refused => throw new Model.UserErrorException(refused.Message),
                    var other => throw new IOException($"{node} answered with {other.GetType().Name}."),
                };
            }
            catch (Exception e) when (e is AskTimeoutException)
            {
                // The next node may reach the manager.
            }
        }
        var complaints = await Task.WhenAll(_nodes.Select(node => TlsProbe.Complaint(node, Transport.Certificate)));
        throw new IOException(
            $"no answer from {string.Join(", ", _nodes)} within {Patience.TotalSeconds:0} s each: "
            + (complaints.FirstOrDefault(c => c is not null) ?? "is a coordinator running, and can this machine reach it?"));
    }

    /// <summary>The events of an experiment until it is over, through changes of the coordinator.</summary>
    public async IAsyncEnumerable<object> Watch(string? id, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var events = Channel.CreateUnbounded<object>();
        var watcher = _system.ActorOf(Props.Create(() => new Watcher(id, _nodes.Select(Gateway).ToList(), events.Writer)));
        try
        {
            await foreach (var e in events.Reader.ReadAllAsync(cancellation))
            {
                yield return e;
                if (e is ExperimentEnded or CommandRefused) break;
            }
        }
        finally
        {
            _system.Stop(watcher);
        }
    }

    public async ValueTask DisposeAsync() => await _system.Terminate();

    private ActorSelection Gateway(string node) =>
        _system.ActorSelection($"{ClusterAddress.Url(node, Tls)}/user/{Hosting.Gateway.Name}");

    /// <summary>The address of this machine by which a node reaches it, which the routing table knows.</summary>
    private static string OwnAddress(IReadOnlyList<string> nodes)
    {
        foreach (var node in nodes)
        {
            var (host, port) = (node[..node.LastIndexOf(':')], int.Parse(node[(node.LastIndexOf(':') + 1)..]));
            try
            {
                using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                probe.Connect(host, port);
                return ((IPEndPoint)probe.LocalEndPoint!).Address.ToString();
            }
            catch (SocketException)
            {
                // Not known, or not reachable: another node may be.
            }
        }
        throw new IOException($"none of {string.Join(", ", nodes)} can be reached: check the names and the network.");
    }

    /// <summary>Asks again and again to be told, so that a new manager knows of it too.</summary>
    private sealed class Watcher : ReceiveActor, IWithTimers
    {
        public ITimerScheduler Timers { get; set; } = null!;

        public Watcher(string? id, IReadOnlyList<ActorSelection> gateways, ChannelWriter<object> events)
        {
            var next = 0;
            Receive<Again>(_ => gateways[next++ % gateways.Count].Tell(new WatchExperiment(id), Self));
            Receive<RunEvent>(e => events.TryWrite(e));
            Receive<ExperimentEnded>(e => events.TryWrite(e));
            Receive<CommandRefused>(e => events.TryWrite(e));
            Receive<CommandDone>(_ => { });
        }

        private sealed record Again;

        protected override void PreStart() => Timers.StartPeriodicTimer("again", new Again(), TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }
}
