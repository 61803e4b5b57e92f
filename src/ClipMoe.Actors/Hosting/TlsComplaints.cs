using Akka.Actor;
using Akka.Remote;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Hosting;

/// <summary>Says so, once for each node, when it is TLS that keeps this process from connecting to others.</summary>
internal sealed class TlsComplaints : ReceiveActor
{
    private readonly HashSet<string> _said = [];
    private bool _probing;

    /// <param name="mine">Null: this process has no certificate.</param>
    public TlsComplaints(ClusterCertificate? mine, Action<string> log)
    {
        Receive<AssociationErrorEvent>(failed => !failed.IsInbound && !_probing, failed =>
        {
            _probing = true;
            TlsProbe.Complaint($"{failed.RemoteAddress.Host}:{failed.RemoteAddress.Port}", mine).PipeTo(Self, success: c => new Probed(c), failure: _ => new Probed(null));
        });
        Receive<AssociationErrorEvent>(_ => { });
        Receive<Probed>(probed =>
        {
            _probing = false;
            if (probed.Complaint is { } complaint && _said.Add(complaint)) log($"can't connect: {complaint}");
        });
    }

    private sealed record Probed(string? Complaint);

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(AssociationErrorEvent));
}
