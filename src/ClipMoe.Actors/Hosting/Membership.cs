using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// This process in a cluster. A process that is removed, by a partition or because all coordinators were lost, can't rejoin as the same
/// member: it joins again as a new member, with a new actor system; what lives outside of that continues.
/// </summary>
internal sealed class Membership(ActorSystemSetup setup, Action<ActorSystem> begin) : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1), PauseAfterRefusal = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _leaving = new();

    /// <summary>The actor system of the current membership.</summary>
    public ActorSystem System { get; private set; } = Start(setup, begin);

    /// <summary>Runs until <see cref="Leave"/>.</summary>
    /// <param name="log">Told when the process joins again.</param>
    public async Task Run(Action<string> log)
    {
        while (true)
        {
            Cluster.Get(System).RegisterOnMemberUp(() => log("in the cluster."));
            await System.WhenTerminated;
            if (_leaving.IsCancellationRequested) return;
            // Akka also ends an actor system that a node, to which it connects, shows another certificate.
            var downed = CoordinatedShutdown.Get(System).ShutdownReason is CoordinatedShutdown.ClusterDowningReason;
            log(downed
                ? "removed from the cluster after being unreachable, or after most coordinators were lost; rejoining."
                : "not in the cluster: a node has another certificate; retrying.");
            await Task.Delay(downed ? Pause : PauseAfterRefusal);
            while (!_leaving.IsCancellationRequested && !TryStart(log)) await Task.Delay(PauseAfterRefusal);
        }
    }

    private bool TryStart(Action<string> log)
    {
        try
        {
            System = Start(setup, begin);
            return true;
        }
        catch (Exception e)
        {
            // Its port, for one, may belong to another process by now. The base of an AggregateException is the first that is none; its
            // cause is what tells.
            log($"can't rejoin: {e.GetBaseException().GetBaseException().Message}; retrying in " +
                $"{PauseAfterRefusal.TotalSeconds:0} s.");
            return false;
        }
    }

    /// <summary>Leaves in good order.</summary>
    public async Task Leave()
    {
        await _leaving.CancelAsync();
        await CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClusterLeavingReason.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await _leaving.CancelAsync();
        await System.Terminate();
    }

    private static ActorSystem Start(ActorSystemSetup setup, Action<ActorSystem> begin)
    {
        var system = ActorSystem.Create(ClusterAddress.System, setup);
        begin(system);
        return system;
    }
}
