using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>Makes bulk connections, on the calling thread.</summary>
internal static class Connector
{
    /// <summary>
    /// Connects over the Unix socket if both processes are on one host, else over TCP, and waits until the peer has agreed.
    /// </summary>
    /// <param name="cancellation">Ends every wait in here at once.</param>
    /// <exception cref="IOException">The peer can't be reached, or isn't what it should be; the message continues after the peer's
    /// name.</exception>
    /// <exception cref="ConnectionRefusedException">The peer said no, and why.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static BulkConnection Connect(BulkEndpoint endpoint, Hello hello, TransportSettings settings, CancellationToken cancellation)
    {
        BulkConnection? connection = null;
        try
        {
            connection = new BulkConnection(Connect(endpoint, cancellation));
            using var closing = cancellation.Register(connection.Dispose);
            connection.EncryptAsClient(settings, endpoint.Host);
            Handshake.Introduce(connection, hello, settings.Secret);
            cancellation.ThrowIfCancellationRequested();
            return connection;
        }
        catch (Exception e) when (e is IOException or SocketException or InvalidDataException or AuthenticationException
        or ObjectDisposedException)
        {
            connection?.Dispose();
            cancellation.ThrowIfCancellationRequested();
            throw e switch
            {
                ConnectionRefusedException => e,
                EndOfStreamException => new IOException("closed a new connection without an answer", e),
                InvalidDataException => new IOException(e.Message, e),
                _ => new IOException($"can't be reached at {endpoint}: {e.Message}", e),
            };
        }
    }

    private static Socket Connect(BulkEndpoint endpoint, CancellationToken cancellation)
    {
        if (endpoint.UnixSocket is { } name && endpoint.HostId == HostIdentity.Current)
        {
            var socket = Connect(AddressFamily.Unix, BulkListener.AbstractName(name), cancellation);
            if (HostIdentity.IsOwnUser(socket)) return socket;
            socket.Dispose();
            throw new IOException("belongs to another user of this host");
        }

        SocketException? failure = null;
        foreach (var address in Dns.GetHostAddresses(endpoint.Host))
        {
            try
            {
                return Connect(address.AddressFamily, new IPEndPoint(address, endpoint.Port), cancellation);
            }
            catch (SocketException e)
            {
                failure = e;
            }
        }

        throw failure ?? new SocketException((int)SocketError.HostNotFound);
    }

    private static Socket Connect(AddressFamily family, EndPoint address, CancellationToken cancellation)
    {
        var socket = new Socket(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            using var closing = cancellation.Register(socket.Dispose);
            socket.Connect(address);
            cancellation.ThrowIfCancellationRequested();
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
