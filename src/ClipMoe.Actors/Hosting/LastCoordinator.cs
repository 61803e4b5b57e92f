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
        Receive<ClusterEvent.MemberRemoved>(removed => removed.Member.HasRole(ClusterAddress.Coordinator), removed =>
        {
            // The state is another actor's to change, and may still have whom this event is about.
            var others = _cluster.State.Members.Where(m => !m.UniqueAddress.Equals(removed.Member.UniqueAddress));
            if (!others.Any(m => m.HasRole(ClusterAddress.Coordinator))) _cluster.Down(_cluster.SelfAddress);
        });
        Receive<ClusterEvent.MemberRemoved>(_ => { });
    }

    protected override void PreStart() =>
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberRemoved));

    protected override void PostStop() => _cluster.Unsubscribe(Self);
}
