using Akka.Actor;
using Akka.Cluster;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// Leaves a cluster whose last coordinator has left it in good order. Such a cluster never ends by itself, and the coordinator founds another one when
/// it is started again: whoever stayed behind is to be found in that one.
/// </summary>
internal sealed class LastCoordinator : ReceiveActor
{
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    // The cluster's own list of members may be behind the event.
    private readonly HashSet<UniqueAddress> _coordinators = [];

    public LastCoordinator()
    {
        Receive<ClusterEvent.MemberRemoved>(m =>
        {
            if (_coordinators.Remove(m.Member.UniqueAddress) && _coordinators.Count == 0) _cluster.Down(_cluster.SelfAddress);
        });
        Receive<ClusterEvent.IMemberEvent>(m =>
        {
            if (m.Member.HasRole(ClusterAddress.Coordinator)) _coordinators.Add(m.Member.UniqueAddress);
        });
    }

    protected override void PreStart() =>
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));

    protected override void PostStop() => _cluster.Unsubscribe(Self);
}
