using System.Runtime.InteropServices;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// The sum of everybody's gradients. Each member sends every other one the chunks of that member's slice; the owner of a chunk adds along the tree as
/// soon as all have sent theirs, and sends the sum to everybody at once. So the stream to a peer carries gradients for its slice and sums of the
/// own one side by side.
/// </summary>
internal sealed class Reduction : Operation
{
    private readonly ReductionTree _tree;
    private readonly IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> _mine;
    private readonly Memory<float> _sum;
    private readonly GradientChunks _chunks;
    private readonly (int First, int End) _own;
    private readonly ReceiveWindow _window;
    private readonly bool _rounds;
    private readonly ushort[] _roundedSums;
    private readonly ulong[] _checksums;
    private readonly Progress[] _peers;
    private readonly object _gate = new();
    private readonly bool[] _summed, _arrived;
    private SubtreeSum? _plan;
    private int _claimed;

    /// <summary>How far a member's gradients for the own slice, and its sums, have come.</summary>
    private sealed class Progress
    {
        public IReadOnlyList<Subtree>? Nodes;
        public int NextGradient;
        public int Sums;
        public int Chunks;
        public ushort[] Rounded = [];
    }

    public Reduction(
        StreamExchange exchange, uint number, ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum)
        : base(exchange, number, r => FramesTo(new GradientChunks(sum.Length, exchange.World), exchange.Rank, r, mine.Count))
    {
        (_tree, _mine, _sum) = (tree, mine, sum);
        _chunks = new GradientChunks(sum.Length, exchange.World);
        _own = _chunks.OwnedBy(exchange.Rank);
        _window = exchange.Window;
        _rounds = exchange.Generation.Gradients == GradientFormat.Bf16;
        _roundedSums = _rounds ? new ushort[(_own.End - _own.First) * GradientChunks.Size] : [];
        _checksums = new ulong[_chunks.Count];
        _summed = new bool[_own.End - _own.First];
        _arrived = new bool[_chunks.Count];
        _peers = [.. Enumerable.Range(0, exchange.World).Select(_ => new Progress())];
        _peers[exchange.Rank].Nodes = [.. mine.Select(m => m.Node)];
        _peers[exchange.Rank].Chunks = int.MaxValue;
    }

    public override string Phase => "gradients were reduced";

    public override void Wake()
    {
        lock (_gate) Monitor.PulseAll(_gate);
    }

    /// <summary>Of the sum, once the operation is complete.</summary>
    public UInt128 Hash => GradientChunks.Hash(_checksums);

    private static int FramesTo(GradientChunks chunks, int own, int other, int parts) => 1 + Count(chunks.OwnedBy(other)) * parts + Count(chunks.OwnedBy(own));

    private static int Count((int First, int End) range) => range.End - range.First;

    public override void Start()
    {
        var nodes = StepCodec.Encode(_peers[Exchange.Rank].Nodes!);
        var gradients = _mine.Select(m => new ByteView<float>(m.Gradient).Memory).ToList();
        foreach (var peer in Exchange.Peers)
        {
            peer.Send(new OutgoingFrame(this, new FrameHeader(FrameKind.Subtrees, nodes.Length, Number, 0, 0, nodes.Length, 0), nodes));
            var (first, end) = _chunks.OwnedBy(peer.Rank);
            for (var chunk = first; chunk < end; chunk++)
            {
                for (var part = 0; part < gradients.Count; part++)
                {
                    var header = new FrameHeader(FrameKind.Gradients, Bytes(chunk), Number, part, chunk, _chunks.Count, 0);
                    peer.Send(new OutgoingFrame(this, header, Floats(gradients[part], chunk), Rounds: _rounds));
                }
            }
        }

        SumWhatIsThere();
    }

    public override void Receive(Peer peer, in FrameHeader header)
    {
        var progress = _peers[peer.Rank];
        switch (header.Kind)
        {
            case FrameKind.Subtrees when progress.Nodes is null && header.Length == header.Total:
                ReceiveNodes(peer, progress, header);
                break;
            case FrameKind.Gradients when progress.Nodes is not null:
                ReceiveGradient(peer, progress, header);
                break;
            case FrameKind.Sums:
                ReceiveSum(peer, progress, header);
                break;
            default:
                throw Misplaced(header);
        }

        if (progress.Nodes is { } nodes
            && progress.NextGradient == Count(_own) * nodes.Count && progress.Sums == Count(_chunks.OwnedBy(peer.Rank)))
        {
            AllReceived(peer.Rank);
        }
    }

    private void ReceiveNodes(Peer peer, Progress progress, in FrameHeader header)
    {
        if (header.Length > 1 << 20) throw Misplaced(header);
        var bytes = new byte[header.Length];
        peer.ReceivePayload(header, bytes);
        progress.Nodes = StepCodec.DecodeSubtrees(bytes);
        if (progress.Nodes.Count == 0) Advance(progress, int.MaxValue);
        SumWhatIsThere();
    }

    private void ReceiveGradient(Peer peer, Progress progress, in FrameHeader header)
    {
        var parts = progress.Nodes!.Count;
        var (index, part) = Math.DivRem(progress.NextGradient, parts);
        var chunk = _own.First + index;
        if (chunk == _own.End || header.Offset != chunk || header.Part != part || header.Length != Bytes(chunk)) throw Misplaced(header);
        AwaitSlot(index);
        Receive(peer, progress, header, _window[index][peer.Rank, part, parts].Span[.._chunks[chunk].Length]);
        progress.NextGradient++;
        if (part < parts - 1) return;
        Advance(progress, index + 1);
        SumWhatIsThere();
    }

    private void ReceiveSum(Peer peer, Progress progress, in FrameHeader header)
    {
        var (first, end) = _chunks.OwnedBy(peer.Rank);
        if (header.Offset < first || header.Offset >= end || _arrived[header.Offset]) throw Misplaced(header);
        var chunk = (int)header.Offset;
        if (header.Length != Bytes(chunk)) throw Misplaced(header);
        Receive(peer, progress, header, Chunk(_sum, chunk).Span);
        _checksums[chunk] = header.Checksum;
        _arrived[chunk] = true;
        progress.Sums++;
    }

    private void Receive(Peer peer, Progress progress, in FrameHeader header, Span<float> destination)
    {
        if (!_rounds)
        {
            peer.ReceivePayload(header, MemoryMarshal.AsBytes(destination));
            return;
        }

        if (progress.Rounded.Length == 0) progress.Rounded = new ushort[GradientChunks.Size];
        var rounded = progress.Rounded.AsSpan(0, destination.Length);
        peer.ReceivePayload(header, MemoryMarshal.AsBytes(rounded));
        BFloat16.Widen(rounded, destination);
    }

    /// <summary>Waits until the chunk that had this slot before is summed.</summary>
    private void AwaitSlot(int index)
    {
        if (index < ReceiveWindow.Slots) return;
        lock (_gate)
            while (!_summed[index - ReceiveWindow.Slots])
                Exchange.Wait(_gate);
    }

    private void Advance(Progress progress, int chunks)
    {
        lock (_gate) progress.Chunks = chunks;
    }

    /// <summary>Sums the chunks for which all members' gradients are here. Whoever brought the last one does it: it is in its cache.</summary>
    private void SumWhatIsThere()
    {
        while (true)
        {
            int index;
            lock (_gate)
            {
                if (_claimed == _summed.Length || _peers.Any(p => p.Nodes is null || p.Chunks <= _claimed)) return;
                _plan ??= _tree.Plan([.. _peers.SelectMany(p => p.Nodes!)]);
                index = _claimed++;
            }

            Sum(index);
        }
    }

    private void Sum(int index)
    {
        var chunk = _own.First + index;
        var slot = _window[index];
        var length = _chunks[chunk].Length;
        var parts = new List<ReadOnlyMemory<float>>();
        for (var rank = 0; rank < _peers.Length; rank++)
        {
            var count = _peers[rank].Nodes!.Count;
            for (var part = 0; part < count; part++)
                parts.Add(rank == Exchange.Rank ? Mine(slot, chunk, part) : slot[rank, part, count][..length]);
        }

        if (slot.Scratch.Length < _plan!.ScratchLength) slot.Scratch = new float[_plan.ScratchLength];
        var sum = Chunk(_sum, chunk);
        _plan.Sum(CollectionsMarshal.AsSpan(parts), sum.Span, slot.Scratch);
        Publish(index, chunk, sum);
        lock (_gate)
        {
            _summed[index] = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>A chunk of an own subtree, as the others would have got it.</summary>
    private ReadOnlyMemory<float> Mine(ReceiveWindow.Slot slot, int chunk, int part)
    {
        var exact = Chunk(_mine[part].Gradient, chunk);
        if (!_rounds) return exact;
        var rounded = new ushort[exact.Length];
        var widened = slot[Exchange.Rank, part, _mine.Count][..exact.Length];
        BFloat16.Round(exact.Span, rounded);
        BFloat16.Widen(rounded, widened.Span);
        return widened;
    }

    private void Publish(int index, int chunk, Memory<float> sum)
    {
        ReadOnlyMemory<byte> payload;
        if (_rounds)
        {
            var rounded = _roundedSums.AsMemory(index * GradientChunks.Size, sum.Length);
            BFloat16.Round(sum.Span, rounded.Span);
            BFloat16.Widen(rounded.Span, sum.Span);
            payload = new ByteView<ushort>(rounded).Memory;
        }
        else
        {
            payload = new ByteView<float>(sum).Memory;
        }

        _checksums[chunk] = FrameChecksum.Of(payload.Span);
        var header = new FrameHeader(FrameKind.Sums, payload.Length, Number, 0, chunk, _chunks.Count, _checksums[chunk]);
        foreach (var peer in Exchange.Peers) peer.Send(new OutgoingFrame(this, header, payload, HasChecksum: true), urgent: true);
    }

    private int Bytes(int chunk) => _chunks[chunk].Length * (_rounds ? sizeof(ushort) : sizeof(float));

    private Memory<float> Chunk(Memory<float> whole, int chunk) => whole.Slice(_chunks[chunk].Start, _chunks[chunk].Length);

    private ReadOnlyMemory<float> Chunk(ReadOnlyMemory<float> whole, int chunk) => whole.Slice(_chunks[chunk].Start, _chunks[chunk].Length);

    private ReadOnlyMemory<byte> Floats(ReadOnlyMemory<byte> whole, int chunk) =>
        whole.Slice(_chunks[chunk].Start * sizeof(float), _chunks[chunk].Length * sizeof(float));

    private InvalidDataException Misplaced(in FrameHeader header) =>
        new($"sent {header.Length} bytes of {header.Kind} for chunk {header.Offset} of {header.Total}, which was not to come now, while {Phase}");
}
