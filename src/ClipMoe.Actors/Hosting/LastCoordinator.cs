using Akka.Actor;
using Akka.Cluster;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// Leaves a cluster whose last coordinator has left it in good order. Such a cluster never ends by itself, and the coordinator founds another one when it
/// is started again: whoever stayed behind is to be found in that one.
/// </summary>
internal sealed class LastCoordinator : ReceiveActor
{
    private readonly Cluster _cluster = Cluster.Get(Context.System);

    public LastCoordinator()
    {
        Receive<ClusterEvent.MemberRemoved>(m => m.Member.HasRole(ClusterAddress.Coordinator), _ =>
        {
            if (!_cluster.State.Members.Any(m => m.HasRole(ClusterAddress.Coordinator))) _cluster.Down(_cluster.SelfAddress);
        });
        Receive<ClusterEvent.MemberRemoved>(_ => { });
    }

    protected override void PreStart() =>
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberRemoved));

    protected override void PostStop() => _cluster.Unsubscribe(Self);
}
