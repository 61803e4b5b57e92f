using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport.Fetching;

/// <summary>Takes a chunk of what is fetched.</summary>
public delegate void ChunkSink(long offset, ReadOnlySpan<byte> chunk);

/// <summary>
/// Copies something that several processes have, chunks from all of them at once. A peer that fails leaves its chunks to the others.
/// </summary>
public sealed class ParallelFetch
{
    private readonly string _source, _key;
    private readonly long _length;
    private readonly int _chunk;
    private readonly TransportSettings _settings;
    private readonly TimeSpan _patience;
    private readonly ChunkSink _sink;
    private readonly object _gate = new();
    private readonly Queue<long> _open = [];
    private readonly List<Exception> _failures = [];
    private long _missing;

    private ParallelFetch(string source, string key, long length, int chunk, TransportSettings settings, TimeSpan patience, ChunkSink sink)
    {
        (_source, _key, _length, _chunk, _settings, _patience, _sink) = (source, key, length, chunk, settings, patience, sink);
        for (var offset = 0L; offset < length; offset += chunk) _open.Enqueue(offset);
        _missing = _open.Count;
    }

    /// <summary>Returns when all of it is there; a thread for each peer, the calling one waits.</summary>
    /// <param name="peers">Each has the same bytes under this source and key.</param>
    /// <param name="length">Bytes of the whole.</param>
    /// <param name="chunk">Bytes that are asked for at a time.</param>
    /// <param name="patience">How long a peer may say nothing before it is given up.</param>
    /// <param name="sink">Called for one chunk at a time, in no order.</param>
    /// <exception cref="IOException">No peer is left that can serve what is missing; the message has the last one's reason.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static void Run(
        IReadOnlyList<BulkEndpoint> peers, string source, string key, long length, int chunk,
        TransportSettings settings, TimeSpan patience, ChunkSink sink, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(chunk);
        new ParallelFetch(source, key, length, chunk, settings, patience, sink).Run(peers, cancellation);
    }

    private void Run(IReadOnlyList<BulkEndpoint> peers, CancellationToken cancellation)
    {
        var threads = peers
            .Select(p => new Thread(() => Work(p, cancellation)) { Name = $"bulk-fetch-{p}", IsBackground = true }).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        cancellation.ThrowIfCancellationRequested();
        if (_missing > 0)
        {
            var last = _failures.LastOrDefault();
            throw new IOException($"{_source} {_key} could not be fetched whole from any of {peers.Count} peers: {last?.Message}", last);
        }
    }

    private void Work(BulkEndpoint peer, CancellationToken cancellation)
    {
        long? taken = null;
        try
        {
            using var client = BulkClient.Connect(peer, _settings, _patience, cancellation);
            var buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(_chunk, _length));
            while ((taken = Take()) is { } offset)
            {
                var chunk = buffer.AsSpan(0, (int)Math.Min(_chunk, _length - offset));
                client.Fetch(_source, _key, offset, chunk, cancellation);
                Deliver(offset, chunk);
            }
        }
        catch (Exception e)
        {
            lock (_gate)
            {
                _failures.Add(e);
                if (taken is { } offset) _open.Enqueue(offset);
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>
    /// The next chunk to fetch; waits for those in work elsewhere, which come back if their peer fails. Null: there is nothing more.
    /// </summary>
    private long? Take()
    {
        lock (_gate)
        {
            while (_open.Count == 0 && _missing > 0) Monitor.Wait(_gate);
            return _missing > 0 ? _open.Dequeue() : null;
        }
    }

    private void Deliver(long offset, ReadOnlySpan<byte> chunk)
    {
        lock (_gate)
        {
            _sink(offset, chunk);
            if (--_missing == 0) Monitor.PulseAll(_gate);
        }
    }
}
