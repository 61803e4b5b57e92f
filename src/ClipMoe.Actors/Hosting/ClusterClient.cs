using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model;

namespace ClipMoe.Actors.Hosting;

/// <summary>Talks to a cluster from outside it, over any of its nodes.</summary>
public sealed class ClusterClient : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ActorSystem _system;
    private readonly IReadOnlyList<string> _nodes;

    /// <param name="nodes">host:port of nodes.</param>
    /// <param name="transport">How files are fetched, and with which certificate nodes are spoken to.</param>
    /// <exception cref="IOException">None can be reached.</exception>
    public ClusterClient(IReadOnlyList<string> nodes, TransportSettings transport)
    {
        (_nodes, Transport) = (nodes, transport);
        var configuration = Akka.Configuration.ConfigurationFactory.ParseString("akka.actor.provider = remote\nakka.loglevel = OFF")
            .WithFallback(ClusterConfiguration.Create(new ClusterAddress(OwnAddress(nodes), 0, [], []), Tls));
        _system = ActorSystem.Create(ClusterAddress.System, ClusterConfiguration.Setup(configuration, transport.Certificate));
    }

    public TransportSettings Transport { get; }

    private bool Tls => Transport.Certificate is not null;

    /// <summary>
    /// Asks the scheduler something, through the node that is the first to answer at all; through the next one when no answer comes that
    /// way.
    /// </summary>
    /// <returns>Its answer; never a <see cref="CommandRefused"/>.</returns>
    /// <exception cref="Model.UserErrorException">It refused, and says why.</exception>
    /// <exception cref="IOException">No node answered.</exception>
    public async Task<T> Ask<T>(object request)
        where T : class
    {
        var reached = false;
        var answering = Channel.CreateUnbounded<string>();
        var finder = _system.ActorOf(Props.Create(() => new Finder(_nodes.Distinct().ToDictionary(n => n, Gateway), answering.Writer)));
        try
        {
            while (await Next(answering.Reader) is { } node)
            {
                reached = true;
                try
                {
                    return await Gateway(node).Ask<object>(request, Patience) switch
                    {
                        T answer => answer,
                        CommandRefused refused => throw new Model.UserErrorException(refused.Message),
                        var other => throw new IOException($"{node} answered with {other.GetType().Name}."),
                    };
                }
                catch (AskTimeoutException)
                {
                    // Another node may reach the scheduler.
                }
            }
        }
        finally
        {
            _system.Stop(finder);
        }
        if (reached) throw new IOException(
            $"no answer from the scheduler through {string.Join(", ", _nodes)} within {Patience.TotalSeconds:0} s: it may still do "
            + "what it was asked for; look with clipmoe status.");
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

    /// <returns>null: there is none within <see cref="Patience"/>.</returns>
    private static async Task<string?> Next(ChannelReader<string> answering)
    {
        try
        {
            return await answering.ReadAsync().AsTask().WaitAsync(Patience);
        }
        catch (Exception e) when (e is TimeoutException or ChannelClosedException)
        {
            return null;
        }
    }

    /// <summary>The address of this machine by which a node reaches it, which the routing table knows.</summary>
    private static string OwnAddress(IReadOnlyList<string> nodes)
    {
        foreach (var (host, port) in nodes.Select(n => ClusterAddress.Split(n) ?? throw new FormatException($"'{n}' is not host:port")))
        {
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

    /// <summary>
    /// Tells which nodes answer, in the order in which they do. What is sent to a node before it listens is lost; hence again and again.
    /// </summary>
    private sealed class Finder : ReceiveActor, IWithTimers
    {
        public ITimerScheduler Timers { get; set; } = null!;

        public Finder(Dictionary<string, ActorSelection> silent, ChannelWriter<string> answering)
        {
            Receive<Again>(_ =>
            {
                foreach (var (node, gateway) in silent) gateway.Tell(new Identify(node));
            });
            Receive<ActorIdentity>(m => m.Subject is not null && silent.Remove((string)m.MessageId), m =>
            {
                answering.TryWrite((string)m.MessageId);
                if (silent.Count == 0) answering.Complete();
            });
        }

        private sealed record Again;

        protected override void PreStart() => Timers.StartPeriodicTimer("again", new Again(), TimeSpan.Zero, TimeSpan.FromSeconds(0.5));
    }

    /// <summary>Asks again and again to be told, so that a new scheduler knows of it too.</summary>
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
