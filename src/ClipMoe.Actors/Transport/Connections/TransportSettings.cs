namespace ClipMoe.Actors.Transport.Connections;

/// <summary>How a process makes and takes bulk connections.</summary>
public sealed record TransportSettings
{
    /// <summary>
    /// Shared by all processes of the cluster; each side of a new connection proves that it knows it without sending it. Null: any process
    /// that reaches the port is taken for a member. With a certificate it is the certificate's.
    /// </summary>
    public string? Secret { get => field ?? Certificate?.Secret; init; }

    /// <summary>TCP connections then speak TLS, and both sides must show it.</summary>
    /// <remarks>Unix sockets are not encrypted: their bytes do not leave the kernel, which tells what user is at the other end; the secret
    /// must be known there too.</remarks>
    public ClusterCertificate? Certificate { get; init; }

    /// <summary>How long a new connection may take until both sides know what it is for.</summary>
    public TimeSpan HelloDeadline { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Told one sentence about every connection that is dropped before it is of any use.</summary>
    public Action<string> Log { get; init; } = _ => { };

    /// <summary>Damages frames on purpose, for tests of what happens then; null: nothing does.</summary>
    public FrameFault? Fault { get; init; }
}
