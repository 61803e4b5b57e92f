using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport.Fetching;

/// <summary>Serves ranges of bulk sources to other processes; each connection on the thread that it came with.</summary>
public sealed class BulkServer : IDisposable
{
    private const int MaxConnections = 64, MaxSentence = 1000;

    /// <summary>How long a client may ask for nothing, or take nothing, before its connection is closed.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<string, IBulkSource> _sources = new();
    private readonly ConcurrentDictionary<BulkConnection, byte> _connections = new();
    private volatile bool _disposed;

    /// <param name="listener">Where clients connect to; it can serve one of these objects.</param>
    public BulkServer(BulkListener listener)
    {
        listener.Route(ConnectionPurpose.Fetch, Welcome);
    }

    /// <summary>Registers a source, in place of the one that had the name before.</summary>
    public void Serve(string name, IBulkSource source) => _sources[name] = source;

    /// <summary>Takes a source away; what is being read from it is read to its end.</summary>
    public void Withdraw(string name) => _sources.TryRemove(name, out _);

    public void Dispose()
    {
        _disposed = true;
        foreach (var connection in _connections.Keys) connection.Dispose();
    }

    private void Welcome(PendingConnection pending)
    {
        if (_connections.Count >= MaxConnections)
        {
            pending.Refuse($"{MaxConnections} others are being served already");
            return;
        }

        using var connection = pending.Accept();
        _connections[connection] = 0;
        try
        {
            while (!_disposed) Answer(connection);
        }
        catch (Exception e) when (e is EndOfStreamException or ObjectDisposedException)
        {
            // The client has all it wanted, or this process stops.
        }
        finally
        {
            _connections.TryRemove(connection, out _);
        }
    }

    /// <summary>One request, from its header to the last frame of its content.</summary>
    private void Answer(BulkConnection connection)
    {
        connection.BeginDeadline(Idle);
        var header = connection.ReceiveHeader();
        if (header.Kind != FrameKind.Request || header.Length > BulkRange.MaxEncoded)
            throw new InvalidDataException($"sent {header.Kind} in place of a request");
        var bytes = new byte[header.Length];
        connection.ReceivePayload(header, bytes);
        var range = BulkRange.Decode(bytes);
        try
        {
            if (!_sources.TryGetValue(range.Source, out var source))
                throw new IOException($"nothing is served under the name {range.Source} here");
            using var content = source.Open(range.Key);
            var length = range.Length ?? content.Length - range.Offset;
            if (range.Offset < 0 || length < 0 || range.Offset > content.Length - length)
                throw new IOException($"{range} has {content.Length} bytes, not {length} from {range.Offset} on");
            Send(connection, header.Operation, content, range.Offset, length);
        }
        catch (Exception e) when (e is not (SocketException or EndOfStreamException or ObjectDisposedException))
        {
            // The source's own failure, of whatever kind, is the client's to know; the connection is still in step.
            var sentence = Encoding.UTF8.GetBytes(e.Message);
            var failure = BulkRange.Header(FrameKind.Failure, header.Operation, 0, 0);
            connection.SendChecked(failure, sentence.AsSpan(0, Math.Min(sentence.Length, MaxSentence)));
        }
    }

    private static void Send(BulkConnection connection, uint request, IBulkContent content, long offset, long length)
    {
        var buffer = new byte[(int)Math.Min(BulkRange.FrameLength, length)];
        var sent = 0L;
        do
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - sent));
            content.Read(offset + sent, part);
            connection.BeginDeadline(Idle);
            connection.SendChecked(BulkRange.Header(FrameKind.Content, request, sent, length), part);
            sent += part.Length;
        }
        while (sent < length);
    }
}
