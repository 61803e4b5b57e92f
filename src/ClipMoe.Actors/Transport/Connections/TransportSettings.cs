using System.Security.Cryptography.X509Certificates;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>How a process makes and takes bulk connections.</summary>
public sealed record TransportSettings
{
    /// <summary>
    /// Shared by all processes of the cluster; each side of a new connection proves that it knows it without sending it. Null: anybody who
    /// reaches the port is taken for a member.
    /// </summary>
    public string? Secret { get; init; }

    /// <summary>With a private key: TCP connections then speak TLS, and both sides must show a pinned certificate.</summary>
    /// <remarks>Unix sockets stay as they are: their bytes do not leave the kernel, and the kernel tells which user is at the other end.</remarks>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>Thumbprints of the certificates that peers may show; empty: only <see cref="Certificate"/> itself, shared by the cluster.</summary>
    public IReadOnlyList<string> PinnedThumbprints { get; init; } = [];

    /// <summary>How long a new connection may take until both sides know what it is for.</summary>
    public TimeSpan HelloDeadline { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Told one sentence about every connection that is dropped before it is of any use.</summary>
    public Action<string> Log { get; init; } = _ => { };

    /// <summary>Damages frames on purpose, for tests of what happens then; null: nothing does.</summary>
    public FrameFault? Fault { get; init; }
}
