using System.Runtime.InteropServices;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// The slice of the sum that a member owns: takes everybody's gradients for it chunk by chunk, and adds along the tree as soon as a chunk is there
/// from all.
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
    private SubtreeSum? _plan;
    private int _claimed = chunks.OwnedBy(exchange.Rank).First;

    /// <summary>A member has told which nodes it has gradients of.</summary>
    public void Announce(int rank, IReadOnlyList<Subtree> nodes)
    {
        lock (_gate)
        {
            _nodes[rank] = nodes;
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

    /// <summary>All gradients of a member for a chunk, and for those before it, are in their places.</summary>
    public void Arrived(int rank, int chunk)
    {
        lock (_gate) _arrived[rank] = chunk + 1;
        SumWhatIsThere();
    }

    /// <summary>Sums the chunks that are complete. Whoever brought the last part does it, for it is in that thread's cache.</summary>
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
        for (var rank = 0; rank < _nodes.Length; rank++)
        {
            var count = _nodes[rank]!.Count;
            for (var part = 0; part < count; part++)
                parts.Add(rank == exchange.Rank ? mine[part].Gradient.Slice(start, length) : slot[rank, part, count][..length]);
        }

        if (slot.Scratch.Length < plan.ScratchLength) slot.Scratch = new float[plan.ScratchLength];
        var total = sum.Slice(start, length);
        plan.Sum(CollectionsMarshal.AsSpan(parts), total.Span, slot.Scratch);
        finish(chunk, total);
    }
}
