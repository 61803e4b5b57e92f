namespace ClipMoe.Actors.Transport.Connections;

/// <summary>Where a process takes bulk connections. Plain values: it travels in messages.</summary>
/// <param name="Host">Name or address by which other machines reach the process.</param>
/// <param name="UnixSocket">Name of its socket in the abstract namespace of Linux; null when it has none.</param>
/// <param name="HostId">The host, and its network namespace, on which <paramref name="UnixSocket"/> means something.</param>
public sealed record BulkEndpoint(string Host, int Port, string? UnixSocket = null, string? HostId = null)
{
    /// <summary>Stands for a worker in this process, with which memory is shared instead of connections made.</summary>
    public static BulkEndpoint SameProcess { get; } = new("", 0);

    public override string ToString() => $"{Host}:{Port}";
}
