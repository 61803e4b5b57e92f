using System.Net;
using Akka.Actor;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;
using ClipMoe.Actors.Transport.Streams;
using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Hosting;

/// <summary>One device of a cluster in a process of its own: a CUDA error or a native crash costs this process only.</summary>
public sealed class WorkerHost : IAsyncDisposable
{
    /// <param name="Name">Unique in the cluster, the same after a restart.</param>
    public sealed record Settings(string Name, ClusterAddress Address, string Output, WorkerDevice Device, TransportSettings Transport);

    private readonly ActorSystem _system;
    private readonly IActorRef _worker;
    private readonly BulkListener _listener;
    private readonly BulkServer _server;
    private readonly StreamExchanges _exchanges;
    private readonly NodeWorkspaces _workspaces;

    public WorkerHost(Settings settings)
    {
        ThreadPoolFloor.Raise();
        _listener = new BulkListener(settings.Address.Host, new IPEndPoint(IPAddress.Any, 0), settings.Transport);
        _exchanges = new StreamExchanges(_listener);
        _server = new BulkServer(_listener);
        var states = new ReplicaStates(settings.Transport);
        _server.Serve(ReplicaStates.Source, states);
        var files = new PeerFiles(settings.Transport);
        _workspaces = new NodeWorkspaces(settings.Output, settings.Device, files);
        _system = ActorSystem.Create(ClusterAddress.System, ClusterConfiguration.Of(settings.Address));
        var worker = new GpuWorker.Settings(
            new WorkerInfo(settings.Name, settings.Device, _listener.Endpoint), ManagerProxy.Start(_system), _workspaces, _exchanges, states)
        {
            FileServers = servers => files.Servers = servers,
        };
        _worker = _system.ActorOf(Props.Create(() => new GpuWorker(worker)), "worker");
    }

    /// <summary>Ends when the worker left the cluster, or was put out of it because the others can't reach it.</summary>
    public Task Ended => _system.WhenTerminated;

    /// <summary>Ends when the stage at work goes on without this worker, or when nobody says so for a while.</summary>
    public async Task Drain()
    {
        try
        {
            await _worker.Ask<WorkerDismissed>(new RetireWorker(), TimeSpan.FromSeconds(40));
        }
        catch (AskTimeoutException)
        {
            // Whoever waits for this worker finds out by its streams.
        }
    }

    /// <summary>Leaves in good order.</summary>
    public async Task Leave() => await CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ClusterLeavingReason.Instance);

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _exchanges.Dispose();
        _server.Dispose();
        _listener.Dispose();
        _workspaces.Dispose();
    }
}
