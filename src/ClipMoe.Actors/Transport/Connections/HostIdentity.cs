using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>Which processes can reach each other over Unix sockets of the abstract namespace.</summary>
internal static class HostIdentity
{
    /// <summary>
    /// The boot of this machine and the network namespace of this process, which is what abstract names belong to; null where the system
    /// doesn't tell. Two containers on one machine differ in it.
    /// </summary>
    public static string? Current { get; } = Find();

    /// <summary>
    /// Whether a Unix socket's other end runs as the user of this process; a Unix socket can be reached by any local user.
    /// </summary>
    public static bool IsOwnUser(Socket unix)
    {
        const int socketLevel = 1, peerCredentials = 17;
        Span<byte> credentials = stackalloc byte[12];
        return unix.GetRawSocketOption(socketLevel, peerCredentials, credentials) == credentials.Length
            && MemoryMarshal.Read<uint>(credentials[4..]) == geteuid();
    }

    private static string? Find()
    {
        try
        {
            var boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
            return File.ResolveLinkTarget("/proc/self/ns/net", returnFinalTarget: false) is { Name: var network } ? $"{boot} {network}"
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [DllImport("libc")]
    private static extern uint geteuid();
}
