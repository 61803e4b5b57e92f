using Akka.Actor;
using Akka.Configuration;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Simulation;

/// <summary>
/// Simulated workers in an actor system of their own, so that all their messages to and from the coordinator pass a socket.
/// </summary>
public sealed class SimulatedWorkers : IAsyncDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create(ClusterAddress.System, Configuration);
    private readonly IReadOnlyList<IActorRef> _workers;

    /// <param name="coordinator">host:port of a <see cref="ProtocolSimulation"/>.</param>
    /// <param name="first">How many there are elsewhere; no two have one name.</param>
    public SimulatedWorkers(string coordinator, int count, int first = 0)
    {
        ThreadPoolFloor.Raise();
        var roster = _system.ActorSelection($"akka.tcp://{ClusterAddress.System}@{coordinator}/user/{ProtocolSimulation.Roster}");
        _workers = [.. Enumerable.Range(first, count).Select(n =>
            _system.ActorOf(Props.Create(() => new SimulatedWorker(Info(n), roster)), $"worker-{n}"))];
    }

    /// <summary>That of a cluster's processes, without the cluster: one loopback connection to the coordinator.</summary>
    /// <remarks>Both ends share this machine's processors, so a late heartbeat says nothing of either.</remarks>
    internal static Config Configuration => ConfigurationFactory
        .ParseString("""
            akka.actor.provider = remote
            akka.remote {
              dot-netty.tcp.hostname = "127.0.0.1"
              transport-failure-detector.acceptable-heartbeat-pause = 10m
              watch-failure-detector.acceptable-heartbeat-pause = 10m
            }
            """)
        .WithFallback(ConfigurationFactory.ParseString(Diagnostics.Logging))
        .WithFallback(ClusterConfiguration.Create(new ClusterAddress("127.0.0.1", 0, [], [])));

    /// <summary>
    /// As kill -9 would: a worker says nothing any more, and the other members of its generation see their streams to it break.
    /// </summary>
    /// <param name="number">What the roster calls it: 1 to the number of workers.</param>
    public void Kill(int number)
    {
        foreach (var worker in _workers) worker.Tell(new SimulatedWorker.Kill(number));
    }

    public async ValueTask DisposeAsync() => await _system.Terminate();

    /// <summary>Eight to a machine; names and addresses as long as real ones.</summary>
    private static WorkerInfo Info(int n)
    {
        var host = $"10.0.{n / 8 / 250}.{n / 8 % 250 + 1}";
        return new WorkerInfo(
            $"{host}:4055/cuda:{n % 8}", new WorkerDevice($"cuda:{n % 8}", 8),
            new BulkEndpoint(host, 40_000 + n, $"clipmoe-{Guid.NewGuid():n}", $"{Guid.NewGuid()} net:[4026531840]"),
            $"{new Guid(n / 8, 0, 0, new byte[8]):n}");
    }
}
