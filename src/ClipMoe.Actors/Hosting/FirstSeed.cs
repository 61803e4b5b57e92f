using Akka.Actor;
using Akka.Cluster;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// Founds the cluster, on the first of several seeds. Akka's own rule, to found one as soon as no other seed answers, makes two clusters
/// of one when the first seed is cut off from the others and starts again. Until it may found one, Akka keeps asking the other seeds for
/// admission.
/// </summary>
internal sealed class FirstSeed : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1);

    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly IReadOnlyList<ActorSelection> _others;
    private readonly Dictionary<Address, bool> _answers = [];

    public ITimerScheduler Timers { get; set; } = null!;

    /// <param name="others">host:port of the other seeds.</param>
    public FirstSeed(IReadOnlyList<string> others)
    {
        _others = [.. others.Select(o => Context.ActorSelection($"{Url(o)}/user/{Gateway.Name}"))];
        Receive<AskOthers>(_ => Ask());
        Receive<ClusterMembership>(m => _answers[Sender.Path.Address] = m.IsMember);
    }

    private sealed record AskOthers;

    /// <summary>Whether most seeds are there, and none of them is in a cluster already. Pure.</summary>
    /// <param name="seeds">How many there are, the first one included.</param>
    /// <param name="answers">Whether they are in a cluster, of those of the others that answered.</param>
    public static bool MayFound(int seeds, IReadOnlyCollection<bool> answers) => !answers.Contains(true) && 2 * (answers.Count + 1) > seeds;

    protected override void PreStart() => Timers.StartPeriodicTimer("ask", new AskOthers(), TimeSpan.Zero, AskEvery);

    private void Ask()
    {
        if (Gateway.IsMember(_cluster))
        {
            Context.Stop(Self);
        }
        else if (MayFound(_others.Count + 1, _answers.Values))
        {
            _cluster.Join(_cluster.SelfAddress);
            Context.Stop(Self);
        }
        else
        {
            _answers.Clear();
            foreach (var other in _others) other.Tell(new GetMembership());
        }
    }

    private string Url(string node)
    {
        var own = _cluster.SelfAddress;
        return $"{own.Protocol}://{own.System}@{node}";
    }
}
