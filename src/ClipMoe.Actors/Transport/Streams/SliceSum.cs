using System.Runtime.InteropServices;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// The slice of the sum that a member owns: takes all members' gradients for it chunk by chunk, and adds along the tree as soon as a chunk
/// is there from all.
/// </summary>
/// <param name="mine">The own gradients.</param>
/// <param name="sum">The whole sum, of which only the slice is written.</param>
/// <param name="finish">Called with each chunk's number and its sum, on whatever thread made it.</param>
internal sealed class SliceSum(
    StreamExchange exchange, ReductionTree tree, GradientChunks chunks, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine,
    Memory<float> sum, Action<int, Memory<float>> finish)
{
    private readonly object _gate = new();
    private readonly (int First, int End) _slice = chunks.OwnedBy(exchange.Rank);
    private readonly IReadOnlyList<Subtree>?[] _nodes =
        [.. Enumerable.Range(0, exchange.World).Select(r => r == exchange.Rank ? mine.Select(m => m.Node).ToList() : null)];
    /// <summary>By rank: the chunk before which all are there.</summary>
    private readonly int[] _arrived = [.. Enumerable.Range(0, exchange.World).Select(r => r == exchange.Rank ? int.MaxValue : 0)];
    private readonly bool[] _summed = new bool[chunks.Count];
    /// <summary>By rank: gradients for the slice that stay in the peer's memory, chunk by chunk and part by part.</summary>
    private readonly SharedBuffer?[]?[] _lent = new SharedBuffer?[exchange.World][];
    private SubtreeSum? _plan;
    private int _claimed = chunks.OwnedBy(exchange.Rank).First;

    /// <summary>A member has told which nodes it has gradients of.</summary>
    public void Announce(int rank, IReadOnlyList<Subtree> nodes)
    {
        lock (_gate)
        {
            _nodes[rank] = nodes;
            _lent[rank] = new SharedBuffer?[nodes.Count * (_slice.End - _slice.First)];
            if (nodes.Count == 0) _arrived[rank] = int.MaxValue;
        }

        SumWhatIsThere();
    }

    /// <summary>Where a member's gradient goes; waits until the chunk that was there before is summed.</summary>
    public Span<float> RoomFor(int rank, int chunk, int part)
    {
        lock (_gate)
            while (chunk - ReceiveWindow.Slots >= _slice.First && !_summed[chunk - ReceiveWindow.Slots])
                exchange.Wait(_gate);
        return exchange.Window[chunk][rank, part, _nodes[rank]!.Count].Span[..chunks[chunk].Length];
    }

    /// <summary>A member's gradient stays where it is until it is summed.</summary>
    public void Map(int rank, int chunk, int part, ReadOnlyMemory<float> values, ulong checksum) =>
        _lent[rank]![Index(rank, chunk, part)] = new SharedBuffer(rank, values, checksum);

    /// <summary>All gradients of a member for a chunk, and for those before it, are in their places.</summary>
    public void Arrived(int rank, int chunk)
    {
        lock (_gate) _arrived[rank] = chunk + 1;
        SumWhatIsThere();
    }

    /// <summary>
    /// Sums the chunks that are complete. The thread that brought the last part does it, for it is in that thread's cache.
    /// </summary>
    public void SumWhatIsThere()
    {
        while (true)
        {
            int chunk;
            lock (_gate)
            {
                if (_claimed == _slice.End || Array.Exists(_nodes, n => n is null) || Array.Exists(_arrived, a => a <= _claimed)) return;
                _plan ??= tree.Plan([.. _nodes.SelectMany(n => n!)]);
                chunk = _claimed++;
            }

            Sum(chunk, _plan);
            lock (_gate)
            {
                _summed[chunk] = true;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>After the exchange failed: lets threads that wait for room notice.</summary>
    public void Wake()
    {
        lock (_gate) Monitor.PulseAll(_gate);
    }

    private void Sum(int chunk, SubtreeSum plan)
    {
        var slot = exchange.Window[chunk];
        var (start, length) = chunks[chunk];
        var parts = new List<ReadOnlyMemory<float>>();
        var lent = new List<(int Part, SharedBuffer Gradient)>();
        for (var rank = 0; rank < _nodes.Length; rank++)
        {
            var count = _nodes[rank]!.Count;
            for (var part = 0; part < count; part++)
            {
                if (rank == exchange.Rank)
                {
                    parts.Add(mine[part].Gradient.Slice(start, length));
                }
                else if (_lent[rank]![Index(rank, chunk, part)] is { } gradient)
                {
                    lent.Add((parts.Count, gradient));
                    parts.Add(gradient.Values);
                }
                else
                {
                    parts.Add(slot[rank, part, count][..length]);
                }
            }
        }

        var total = sum.Slice(start, length);
        if (SharedBuffer.Sum(plan, CollectionsMarshal.AsSpan(parts), lent, total.Span) is { } damaged) Broke(damaged);
        finish(chunk, total);
    }

    /// <summary>The thread that sums isn't that of the member whose gradient it is.</summary>
    private void Broke(SharedBuffer damaged)
    {
        exchange.Broke(damaged.Rank, FrameChecksum.Mismatch(FrameKind.Gradients));
        throw new InvalidDataException("the exchange has broken");
    }

    private int Index(int rank, int chunk, int part) => (chunk - _slice.First) * _nodes[rank]!.Count + part;
}
