using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Tools.Singleton;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Hosting;

/// <summary>What the command line talks to on any node: passes its messages on to the scheduler, which answers directly.</summary>
internal sealed class Gateway : ReceiveActor
{
    public const string Name = "gateway";

    public Gateway(IActorRef scheduler)
    {
        Receive<ISchedulerCommand>(scheduler.Forward);
        Receive<GetMembership>(_ => Sender.Tell(new ClusterMembership(IsMember(Cluster.Get(Context.System)))));
    }

    /// <summary>Whether this process is in a cluster, however small.</summary>
    public static bool IsMember(Cluster cluster) => cluster.State.Members.Any(m => m.UniqueAddress.Equals(cluster.SelfUniqueAddress));
}

/// <summary>The way to the scheduler, wherever it runs.</summary>
internal static class SchedulerProxy
{
    public const string ActorName = "manager";

    public static IActorRef Start(ActorSystem system) => system.ActorOf(
        ClusterSingletonProxy.Props(
            $"/user/{ActorName}",
            ClusterSingletonProxySettings.Create(system).WithRole(ClusterAddress.Coordinator)
            .WithSingletonIdentificationInterval(TimeSpan.FromMilliseconds(500))),
        "manager-proxy");
}

/// <summary>
/// Tensors and sockets have threads of their own; what runs on the pool must still never wait for a thread to be made, or heartbeats are
/// late and the process is taken for dead.
/// </summary>
internal static class ThreadPoolFloor
{
    public static void Raise() => ThreadPool.SetMinThreads(Math.Max(128, Environment.ProcessorCount * 4), 64);
}
