using System.Net;
using System.Net.Sockets;

namespace ClipMoe.Actors.Faults;

/// <summary>Ports of this machine for programs that are killed and started again on the same one.</summary>
public static class ReservedPorts
{
    // Below those that the kernel by default gives to outgoing connections: one of them would sometimes occupy a port while what listens
    // there is down.
    private const int First = 20_000, Count = 12_000;

    private static readonly List<Socket> Claims = [];

    /// <summary>One on which nothing listens, and which no other process gets from here while this one lives.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public static int Next()
    {
        var start = Random.Shared.Next(Count);
        for (var n = 0; n < Count; n++)
        {
            var address = new IPEndPoint(IPAddress.Any, First + (start + n) % Count);
            if (Bind(address, SocketType.Dgram) is not { } claim) continue;
            if (Bind(address, SocketType.Stream) is { } free)
            {
                free.Dispose();
                lock (Claims) Claims.Add(claim);
                return address.Port;
            }
            claim.Dispose();
        }
        throw new IOException($"Every port from {First} to {First + Count - 1} of this machine is in use.");
    }

    /// <summary>null: another socket has it.</summary>
    private static Socket? Bind(IPEndPoint address, SocketType type)
    {
        var socket = new Socket(AddressFamily.InterNetwork, type, ProtocolType.Unspecified);
        try
        {
            socket.Bind(address);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }
}
