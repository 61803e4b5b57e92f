using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>
/// Takes the bulk connections of a process, over TCP and, from the same host, over a Unix socket. One thread accepts; each new connection
/// has a short-lived thread of its own until it has said what it is for, so that no connection waits for a silent or hostile one. There
/// are few of these threads at a time: when more strangers come, those that have been silent longest are dropped.
/// </summary>
public sealed class BulkListener : IDisposable
{
    private const int MaxStrangers = 64;

    private readonly TransportSettings _settings;
    private readonly List<Socket> _sockets = [];
    private readonly ConcurrentDictionary<ConnectionPurpose, Action<PendingConnection>> _routes = new();
    private readonly LinkedList<BulkConnection> _strangers = [];
    private readonly ManualResetEventSlim _stopping = new();

    /// <param name="host">Name or address by which other machines reach this process.</param>
    /// <param name="address">Where to listen; port 0 takes a free one.</param>
    /// <exception cref="IOException">The address can't be listened on.</exception>
    public BulkListener(string host, IPEndPoint address, TransportSettings settings)
    {
        _settings = settings;
        try
        {
            var port = ((IPEndPoint)Listen(new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp), address)).Port;
            var name = HostIdentity.Current is null ? null : $"clipmoe-{Guid.NewGuid():n}";
            if (name is not null) Listen(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified), AbstractName(name));
            Endpoint = new BulkEndpoint(host, port, name, HostIdentity.Current);
        }
        catch (SocketException e)
        {
            Dispose();
            throw new IOException($"bulk connections can't be taken on {address}: {e.Message}", e);
        }

        new Thread(AcceptLoop) { Name = "bulk-accept", IsBackground = true }.Start();
    }

    public BulkEndpoint Endpoint { get; }

    internal TransportSettings Settings => _settings;

    /// <summary>What is called, on the connection's own thread, with connections of a purpose.</summary>
    internal void Route(ConnectionPurpose purpose, Action<PendingConnection> welcome)
    {
        if (!_routes.TryAdd(purpose, welcome)) throw new InvalidOperationException($"connections for {purpose} are taken already");
    }

    /// <summary>The address of a name in the abstract namespace, which leaves no file behind when a process is killed.</summary>
    internal static UnixDomainSocketEndPoint AbstractName(string name) => new($"\0{name}");

    private EndPoint Listen(Socket socket, EndPoint address)
    {
        _sockets.Add(socket);
        socket.Bind(address);
        socket.Listen();
        return socket.LocalEndPoint!;
    }

    private void AcceptLoop()
    {
        while (!_stopping.IsSet)
        {
            try
            {
                var ready = _sockets.ToList();
                Socket.Select(ready, null, null, -1);
                foreach (var socket in ready) Greet(socket.Accept());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (_stopping.IsSet) return;
                // Out of descriptors, most likely: what waits to be accepted stays waiting.
                _settings.Log($"a bulk connection could not be accepted: {e.Message}");
                _stopping.Wait(TimeSpan.FromMilliseconds(100));
            }
        }
    }

    private void Greet(Socket socket)
    {
        if (socket.AddressFamily == AddressFamily.Unix && !HostIdentity.IsOwnUser(socket))
        {
            socket.Dispose();
            _settings.Log("a bulk connection of another user of this host was dropped");
            return;
        }

        BulkConnection connection;
        try
        {
            connection = new BulkConnection(socket);
        }
        catch (SocketException)
        {
            // It was gone before it was accepted.
            socket.Dispose();
            return;
        }

        lock (_strangers)
        {
            _strangers.AddLast(connection);
            if (_strangers.Count > MaxStrangers)
            {
                _strangers.First!.Value.Dispose();
                _strangers.RemoveFirst();
            }
        }

        new Thread(() => Meet(connection), maxStackSize: 1 << 18) { Name = "bulk-greet", IsBackground = true }.Start();
    }

    private void Meet(BulkConnection connection)
    {
        var known = false;
        try
        {
            connection.BeginDeadline(_settings.HelloDeadline);
            connection.EncryptAsServer(_settings);
            var (hello, answer) = Handshake.Receive(connection, _settings.Secret);
            connection.EndDeadline();
            known = Forget(connection);
            if (!_routes.TryGetValue(hello.Purpose, out var welcome))
                throw new InvalidDataException($"asked for {hello.Purpose}, which isn't served here");
            welcome(new PendingConnection(hello, connection, answer));
        }
        catch (Exception e) when (e is IOException or SocketException or InvalidDataException or AuthenticationException
        or ObjectDisposedException)
        {
            var evicted = !known && !Forget(connection);
            connection.Dispose();
            var reason = evicted ? "was silent while others waited" : Reason(e);
            if (!_stopping.IsSet) _settings.Log($"a bulk connection of {connection.Peer} was dropped: it {reason}");
        }
    }

    /// <returns>Whether it was still among the strangers.</returns>
    private bool Forget(BulkConnection connection)
    {
        lock (_strangers) return _strangers.Remove(connection);
    }

    private static string Reason(Exception e) => e switch
    {
        InvalidDataException or AuthenticationException => e.Message,
        // A close with bytes of ours still unread reaches this end as a reset.
        EndOfStreamException or SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.Shutdown }
            => "closed before it had said what it was for",
        IOException { InnerException: SocketException inner } => Reason(inner),
        SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock } => "did not say what it was for in time",
        _ => $"failed: {e.Message}",
    };

    public void Dispose()
    {
        _stopping.Set();
        foreach (var socket in _sockets) socket.Dispose();
        lock (_strangers)
            foreach (var stranger in _strangers)
                stranger.Dispose();
    }
}

/// <summary>A connection that has said what it is for, and waits to be accepted or refused.</summary>
internal sealed class PendingConnection(Hello hello, BulkConnection connection, Handshake.Answer answer)
{
    public Hello Hello { get; } = hello;

    /// <summary>Agrees; the connection belongs to the caller from here on.</summary>
    public BulkConnection Accept()
    {
        answer.Accept();
        return connection;
    }

    /// <param name="reason">One sentence for the peer.</param>
    public void Refuse(string reason)
    {
        using (connection) answer.Refuse(reason);
    }
}
