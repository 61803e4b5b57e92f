using System.Net.Sockets;
using System.Text;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Transport.Fetching;

/// <summary>
/// Copies ranges of another process's bulk sources, on the calling thread, over one connection that is kept for further requests. Not for
/// several threads at once; unusable after a fetch was cancelled or its connection broke.
/// </summary>
public sealed class BulkClient : IDisposable
{
    private readonly BulkEndpoint _endpoint;
    private readonly BulkConnection _connection;
    private readonly TimeSpan _patience;
    private uint _requests;

    private BulkClient(BulkEndpoint endpoint, BulkConnection connection, TimeSpan patience) =>
        (_endpoint, _connection, _patience) = (endpoint, connection, patience);

    /// <param name="patience">How long the peer may say nothing, here and in each fetch.</param>
    /// <exception cref="IOException">The peer can't be reached, or refused.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static BulkClient Connect(BulkEndpoint endpoint, TransportSettings settings, TimeSpan patience,
        CancellationToken cancellation = default)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(patience);
        try
        {
            return new BulkClient(endpoint, Connector.Connect(endpoint, new Hello(ConnectionPurpose.Fetch), settings, deadline.Token),
                patience);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new IOException($"{endpoint} did not answer within {patience}", e);
        }
        catch (IOException e)
        {
            throw new IOException($"{endpoint} {(e is ConnectionRefusedException ? "refused to connect: " : "")}{e.Message}", e);
        }
    }

    /// <summary>Copies as many bytes as the destination has.</summary>
    /// <exception cref="IOException">The stream broke, a frame was damaged, or the peer can't serve it and says why.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Fetch(string source, string key, long offset, Span<byte> destination, CancellationToken cancellation = default)
    {
        var range = new BulkRange(source, key, offset, destination.Length);
        using var closing = cancellation.Register(_connection.Dispose);
        try
        {
            Ask(range);
            var fetched = 0;
            do
            {
                var header = NextHeader(range, fetched);
                if (header.Total != destination.Length)
                    throw new InvalidDataException($"sent {header.Total} bytes in place of {destination.Length}");
                _connection.ReceivePayload(header, destination[fetched..]);
                fetched += header.Length;
            }
            while (fetched < destination.Length);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Explained(range, e, cancellation);
        }
    }

    /// <summary>Copies a range into a stream.</summary>
    /// <returns>Its length.</returns>
    /// <inheritdoc cref="Fetch(string, string, long, Span{byte}, CancellationToken)"/>
    public long Fetch(BulkRange range, Stream destination, CancellationToken cancellation = default) =>
        Fetch(range, (_, chunk) => destination.Write(chunk), cancellation);

    /// <summary>Copies a whole file that is known by its hash; nothing is at <paramref name="path"/> before it is there entirely.</summary>
    /// <param name="sha256">Hexadecimal.</param>
    /// <exception cref="FileWriteException">It can't be written here.</exception>
    /// <exception cref="OtherContentException">The file has another hash.</exception>
    /// <exception cref="IOException">As with the other fetches.</exception>
    public void FetchFile(string source, string key, string sha256, string path, CancellationToken cancellation = default)
    {
        using var file = AtomicFile.Create(path);
        Fetch(new BulkRange(source, key), file.WriteAt, cancellation);
        file.Stream.Position = 0;
        var found = FileHash.Sha256(file.Stream);
        if (!string.Equals(found, sha256, StringComparison.OrdinalIgnoreCase))
            throw new OtherContentException($"{key} of {_endpoint} has the hash {found}, not {sha256}: it is not the file that was meant");
        file.Commit();
    }

    public void Dispose() => _connection.Dispose();

    private long Fetch(BulkRange range, ChunkSink destination, CancellationToken cancellation)
    {
        using var closing = cancellation.Register(_connection.Dispose);
        try
        {
            Ask(range);
            var buffer = new byte[BulkRange.FrameLength];
            for (var fetched = 0L; ;)
            {
                var header = NextHeader(range, fetched);
                _connection.ReceivePayload(header, buffer);
                destination(fetched, buffer.AsSpan(0, header.Length));
                fetched += header.Length;
                if (fetched == header.Total) return fetched;
            }
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Explained(range, e, cancellation);
        }
    }

    private void Ask(BulkRange range)
    {
        _connection.BeginDeadline(_patience);
        _connection.SendChecked(BulkRange.Header(FrameKind.Request, ++_requests, 0, 0), range.Encode());
    }

    /// <summary>The header of the next frame of content, which must continue where the last one ended.</summary>
    private FrameHeader NextHeader(BulkRange range, long fetched)
    {
        _connection.BeginDeadline(_patience);
        var header = _connection.ReceiveHeader();
        if (header.Operation != _requests || header.Length > BulkRange.FrameLength)
            throw new InvalidDataException("sent a frame that was not asked for");
        if (header.Kind == FrameKind.Failure)
        {
            var sentence = new byte[header.Length];
            _connection.ReceivePayload(header, sentence);
            throw new IOException($"{_endpoint} can't serve {range}: {Encoding.UTF8.GetString(sentence)}");
        }

        var follows = header.Offset == fetched && header.Length <= header.Total - fetched && (header.Length > 0 || header.Total == 0);
        return header.Kind == FrameKind.Content && follows
            ? header
            : throw new InvalidDataException($"sent a frame of {header.Kind} that does not follow the last one");
    }

    private static bool IsBroken(Exception e) => e is SocketException or InvalidDataException or EndOfStreamException
        or ObjectDisposedException;

    private Exception Explained(BulkRange range, Exception e, CancellationToken cancellation)
    {
        _connection.Dispose();
        if (cancellation.IsCancellationRequested) return new OperationCanceledException($"fetching {range} was cancelled", e, cancellation);
        var reason = e switch
        {
            EndOfStreamException => "it closed the connection",
            SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock } => $"it said nothing for {_patience}",
            InvalidDataException => $"it {e.Message}",
            _ => e.Message,
        };
        return new IOException($"fetching {range} from {_endpoint} failed: {reason}", e);
    }
}

/// <summary>A file that was fetched has another hash than the one that was meant.</summary>
public sealed class OtherContentException(string message) : IOException(message);
