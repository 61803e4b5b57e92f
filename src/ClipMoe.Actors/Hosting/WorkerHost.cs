using System.Net;
using Akka.Actor;
using ClipMoe.Actors.Compute;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Exchanges;
using ClipMoe.Actors.Transport.Fetching;
using ClipMoe.Actors.Transport.Streams;
using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Hosting;

/// <summary>One device of a cluster in a process of its own: a CUDA error or a native crash costs this process only.</summary>
public sealed class WorkerHost : IAsyncDisposable
{
    /// <param name="Name">Unique in the cluster, the same after a restart.</param>
    public sealed record WorkerSettings(string Name, ClusterAddress Address, string Output, WorkerDevice Device,
        TransportSettings Transport);

    private readonly Membership _membership;
    private readonly DeviceContext _device;
    private readonly BulkListener _listener;
    private readonly BulkServer _server;
    private readonly GenerationExchanges _exchanges;
    private readonly NodeWorkspaces _workspaces;

    public WorkerHost(WorkerSettings settings)
    {
        ThreadPoolFloor.Raise();
        var faults = FaultInjection.Read(
            Environment.GetEnvironmentVariable(FaultInjection.Variable), settings.Name, settings.Output,
            FaultRequests.OfThisProcess(settings.Output));
        _listener = new BulkListener(settings.Address.Host, new IPEndPoint(IPAddress.Any, 0),
            settings.Transport with { Fault = faults.Frames });
        _exchanges = new GenerationExchanges(
            new StreamExchanges(_listener), settings.Device.Name, settings.Transport.Certificate is not null, settings.Transport.Log);
        _server = new BulkServer(_listener);
        var states = new ReplicaStates(settings.Transport) { Faults = faults };
        _server.Serve(ReplicaStates.Source, states);
        var files = new PeerFiles(settings.Transport);
        _workspaces = new NodeWorkspaces(settings.Output, settings.Device, files);
        var info = new WorkerInfo(settings.Name, settings.Device, _listener.Endpoint, OutputIdentity.ReadOrCreate(settings.Output));
        _device = new DeviceContext(info, _workspaces, _exchanges, states)
        {
            FileServers = servers => files.Servers = servers,
            Faults = faults,
            Holds = StepHolds.OfThisProcess(),
        };
        var certificate = settings.Transport.Certificate;
        _membership = new Membership(ClusterConfiguration.Setup(ClusterConfiguration.Create(settings.Address, certificate is not null),
            certificate), system =>
        {
            system.ActorOf(Props.Create(() => new WorkerActor(_device, SchedulerProxy.Start(system))), WorkerActor);
            system.ActorOf(Props.Create(() => new Coordinators(null)), "coordinators");
        });
    }

    private const string WorkerActor = "worker";

    /// <summary>
    /// A member of the cluster until <see cref="Leave"/>. When it is removed, because its coordinators are gone or out of reach, it
    /// rejoins with its replica as it was: as long as one worker lives nothing that was committed is lost.
    /// </summary>
    public Task Run(Action<string> log) => _membership.Run(log);

    /// <summary>Ends when the stage at work continues without this worker, or after a while without such a message.</summary>
    public async Task Drain()
    {
        try
        {
            await _membership.System.ActorSelection($"/user/{WorkerActor}").Ask<WorkerDismissed>(new RetireWorker(),
                TimeSpan.FromSeconds(40));
        }
        catch (AskTimeoutException)
        {
            // Members that wait for this worker find out by its streams.
        }
    }

    /// <summary>Leaves in good order.</summary>
    public Task Leave() => _membership.Leave();

    public async ValueTask DisposeAsync()
    {
        await _membership.DisposeAsync();
        _device.Dispose();
        _exchanges.Dispose();
        _server.Dispose();
        _listener.Dispose();
        _workspaces.Dispose();
    }
}
