using System.Net;
using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Pattern;
using Akka.Persistence;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Scheduling;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;
using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// A node without tensors: serves the files in its output folder, passes the command line's messages on, and as a coordinator may be the
/// one that runs the experiments.
/// </summary>
public sealed class NodeHost : IAsyncDisposable
{
    /// <param name="Name">For people: host and port.</param>
    /// <param name="Journal">Where the state is kept; null for a node that is no coordinator.</param>
    /// <param name="Report">Writes the report of a finished experiment: its files, relative to the experiment's folder.</param>
    public sealed record NodeSettings(
        string Name, ClusterAddress Address, string Output, Config? Journal, TransportSettings Transport,
        Func<FinishedExperiment, IReadOnlyList<string>> Report);

    private readonly Membership _membership;
    private readonly BulkListener _listener;
    private readonly BulkServer _server;

    public NodeHost(NodeSettings settings)
    {
        ThreadPoolFloor.Raise();
        _listener = new BulkListener(settings.Address.Host, new IPEndPoint(IPAddress.Any, 0), settings.Transport);
        _server = new BulkServer(_listener);
        _server.Serve(PeerFiles.Source, new FolderSource(settings.Output));
        var files = new PeerFiles(settings.Transport);
        var certificate = settings.Transport.Certificate;
        var complaints = new TlsComplaints(certificate, settings.Transport.Log);
        var configuration = ClusterConfiguration.Create(settings.Address, certificate is not null)
            .WithFallback(settings.Journal ?? Config.Empty);
        var hello = new NodeHello(settings.Name, _listener.Endpoint, settings.Journal is not null);
        _membership = new Membership(ClusterConfiguration.Setup(configuration, certificate), system =>
        {
            if (settings.Journal is not null)
            {
                // Its connection is there when this node is the one to take over.
                Persistence.Instance.Apply(system).JournalFor(null);
                var scheduler = new Scheduler.SchedulerSettings(settings.Name, settings.Output, files, settings.Report)
                {
                    Holds = StepHolds.OfThisProcess(),
                };
                system.ActorOf(
                    ClusterSingletonManager.Props(
                        Supervised(Props.Create(() => new Scheduler(scheduler))), new Scheduler.HandOver(),
                        ClusterSingletonManagerSettings.Create(system).WithRole(ClusterAddress.Coordinator)),
                    SchedulerProxy.ActorName);
            }
            var proxy = SchedulerProxy.Start(system);
            system.ActorOf(Props.Create(() => new NodePresence(hello, proxy, files)), "presence");
            system.ActorOf(Props.Create(() => new Gateway(proxy)), Gateway.Name);
            complaints.Watch(system);
            system.ActorOf(Props.Create(() => new Coordinators(settings.Transport.Log)), "coordinators");
            if (settings.Address.IsFirstOfSeveral)
                system.ActorOf(Props.Create(() => new FirstSeed(settings.Address.OtherSeeds)), "first-seed");
        });
    }

    /// <summary>A member of the cluster until <see cref="Leave"/>; rejoins after being removed.</summary>
    public Task Run(Action<string> log) => _membership.Run(log);

    /// <summary>Leaves in good order: an experiment that runs here stops at a checkpoint and continues elsewhere.</summary>
    public Task Leave() => _membership.Leave();

    public async ValueTask DisposeAsync()
    {
        await _membership.DisposeAsync();
        _server.Dispose();
        _listener.Dispose();
    }

    /// <summary>
    /// A scheduler ends when its journal fails; another one starts where the journal stands as soon as that can be read again.
    /// </summary>
    private static Props Supervised(Props scheduler) => BackoffSupervisor.Props(
        Backoff.OnStop(scheduler, SchedulerProxy.ActorName, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), randomFactor: 0,
            maxNrOfRetries: -1)
            .WithFinalStopMessage(m => m is Scheduler.HandOver));

    /// <summary>Registers the node with the scheduler, wherever that runs, and learns from it where files are.</summary>
    private sealed class NodePresence : ReceiveActor, IWithTimers
    {
        private readonly NodeHello _hello;
        private readonly IActorRef _scheduler;

        public ITimerScheduler Timers { get; set; } = null!;

        public NodePresence(NodeHello hello, IActorRef scheduler, PeerFiles files)
        {
            (_hello, _scheduler) = (hello, scheduler);
            Receive<SayHello>(_ => _scheduler.Tell(_hello));
            Receive<FileServers>(m => files.Servers = m.Endpoints);
        }

        private sealed record SayHello;

        protected override void PreStart() => Timers.StartPeriodicTimer("hello", new SayHello(), TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }
}
