using Akka.Actor;
using Akka.Cluster;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// Says which coordinators come and go, as this process sees it, and leaves a cluster whose last one has left it in good order: such a
/// cluster never ends by itself, and the coordinator founds another one when it is started again: nodes that stayed are to be found in
/// that one.
/// </summary>
internal sealed class Coordinators : ReceiveActor
{
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    // The cluster's own list of members may be behind the event.
    private readonly HashSet<UniqueAddress> _present = [];

    /// <param name="log">Null: says nothing.</param>
    public Coordinators(Action<string>? log)
    {
        Receive<ClusterEvent.MemberRemoved>(m =>
        {
            if (!_present.Remove(m.Member.UniqueAddress)) return;
            if (IsAnother(m.Member)) log?.Invoke($"coordinator {ClusterAddress.NodeOf(m.Member.Address)} is gone.");
            if (_present.Count == 0) _cluster.Down(_cluster.SelfAddress);
        });
        Receive<ClusterEvent.IMemberEvent>(m =>
        {
            if (!m.Member.HasRole(ClusterAddress.Coordinator)) return;
            _present.Add(m.Member.UniqueAddress);
            if (m is ClusterEvent.MemberUp && IsAnother(m.Member))
                log?.Invoke($"coordinator {ClusterAddress.NodeOf(m.Member.Address)} is in the cluster.");
        });
    }

    protected override void PreStart() =>
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private bool IsAnother(Member member) => !member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);
}
