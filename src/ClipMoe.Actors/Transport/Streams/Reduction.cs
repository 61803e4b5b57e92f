using System.Runtime.InteropServices;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Native;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// The sum of all members' gradients, or of a part of them. Each member sends every other one the chunks of that member's slice; the owner
/// of a chunk sends the sum to all as soon as it is made. So the stream to a peer carries gradients for its slice and sums of the
/// own one side by side. Where both are in memory that can be lent to the peer, it carries only the checksums, the peer reads the memory,
/// and says when it has.
/// </summary>
internal sealed class Reduction : Operation
{
    /// <summary>Bytes that the list of a member's subtrees can't exceed.</summary>
    private const int MaxNodes = 1 << 20;

    private readonly IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> _mine;
    private readonly Memory<float> _sum;
    private readonly GradientChunks _chunks;
    private readonly (int First, int End) _own;
    private readonly SliceSum _slice;
    private readonly ulong[] _checksums;
    private readonly Progress[] _peers;
    private readonly bool _rounds;
    /// <summary>By rank: the memory of the own gradients, where it is lent to that peer.</summary>
    private readonly SharedMemory?[][] _lent;
    private readonly bool[] _lendsSum;
    /// <summary>By rank: whether gradients and sum stay as they are until that peer has read them, though they travel.</summary>
    private readonly bool[] _stays;
    private int _unpublished;
    /// <summary>The own slice's sums as they travel, while they do.</summary>
    private readonly ushort[] _roundedSums;

    /// <summary>How far a peer's frames have come; only its receiving thread touches it.</summary>
    private sealed class Progress(int chunks)
    {
        public int? Parts;
        public int Gradients;
        public int Sums;
        public bool HasAllSums;
        /// <summary>
        /// What is missing until all that the peer has lent is read: to know whether it has, its sums, and those of the own slice.
        /// </summary>
        public int Unread = 3;
        public bool Lends;
        /// <summary>Whether the peer has read all that was lent to it.</summary>
        public bool HasRead;
        public readonly bool[] HasSum = new bool[chunks];
        public ushort[] Rounded = [];
    }

    public Reduction(
        StreamExchange exchange, uint number, ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine,
        Memory<float> sum, GradientChunks chunks)
        : base(exchange, number, r => FramesTo(chunks, exchange.Rank, r, mine.Count))
    {
        (_mine, _sum, _chunks) = (mine, sum, chunks);
        _own = _chunks.OwnedBy(exchange.Rank);
        _slice = new SliceSum(exchange, tree, _chunks, mine, sum, Publish);
        _checksums = new ulong[_chunks.Count];
        _peers = [.. Enumerable.Range(0, exchange.World).Select(_ => new Progress(_chunks.Count))];
        _rounds = tree.Format == GradientFormat.Bf16;
        _roundedSums = _rounds ? new ushort[Count(_own) * GradientChunks.Size] : [];
        _unpublished = Count(_own);
        // Before a receiving thread can ask: all that a peer without a chunk owes, but for its word that it has read, may be there already.
        _lent = new SharedMemory?[exchange.World][];
        _lendsSum = new bool[exchange.World];
        _stays = new bool[exchange.World];
        // What is rounded on its way is not what is in memory.
        var memories = mine.Select(m => _rounds ? null : SharedMemory.Find(m.Gradient)).ToList();
        // What the garbage collector can move can't stay.
        var stays = !_rounds && SharedMemory.Find(sum) is not null && memories.TrueForAll(m => m is not null);
        foreach (var peer in exchange.Peers)
        {
            _lendsSum[peer.Rank] = peer.Map(_rounds ? null : SharedMemory.Find(sum));
            _stays[peer.Rank] = stays && peer.SendsPages;
            _lent[peer.Rank] = [.. memories.Select(m => peer.Map(m) ? m : null)];
        }
    }

    public override string Phase => "gradients were reduced";

    /// <summary>Of the part of the sum, once the operation is complete.</summary>
    public UInt128 Hash => GradientChunks.Hash(_checksums);

    public override void Wake() => _slice.Wake();

    public override void Start()
    {
        var nodes = StepCodec.Encode([.. _mine.Select(m => m.Node)]);
        var gradients = _mine.Select(m => new ByteView<float>(m.Gradient).Memory).ToList();
        foreach (var peer in Exchange.Peers)
        {
            var lent = _lent[peer.Rank];
            var lends = Lends(peer.Rank) ? 1 : 0;
            peer.Send(new OutgoingFrame(this, new FrameHeader(FrameKind.Subtrees, nodes.Length, Number, lends, 0, nodes.Length, 0), nodes));
            var (first, end) = _chunks.OwnedBy(peer.Rank);
            for (var chunk = first; chunk < end; chunk++)
            {
                var (start, length) = _chunks[chunk];
                for (var part = 0; part < gradients.Count; part++)
                {
                    var header = Header(FrameKind.Gradients, part, chunk, lent[part]);
                    var payload = gradients[part].Slice(start * sizeof(float), length * sizeof(float));
                    peer.Send(new OutgoingFrame(this, header, payload, Rounds: _rounds, Memory: lent[part], Stays: _stays[peer.Rank]));
                }
            }
        }

        if (Count(_own) == 0) OwnSliceIsSummed();
        _slice.SumWhatIsThere();
    }

    public override void Receive(Peer peer, in FrameHeader header)
    {
        var progress = _peers[peer.Rank];
        switch (header.Kind)
        {
            case FrameKind.Subtrees when progress.Parts is null:
                ReceiveNodes(peer, progress, header);
                break;
            case FrameKind.Gradients when progress.Parts is { } parts && progress.Gradients < parts * Count(_own):
                ReceiveGradient(peer, progress, parts, header);
                break;
            case FrameKind.Sums:
                ReceiveSum(peer, progress, header);
                break;
            case FrameKind.Read when Lends(peer.Rank) && !progress.HasRead:
                peer.ReceivePayload(header, []);
                progress.HasRead = true;
                break;
            default:
                throw Misplaced(header);
        }

        if (!progress.HasAllSums && progress.Sums == Count(_chunks.OwnedBy(peer.Rank)))
        {
            progress.HasAllSums = true;
            CountRead(peer, progress);
        }

        if (progress.HasAllSums && progress.Gradients == progress.Parts * Count(_own) && (progress.HasRead || !Lends(peer.Rank)))
            AllReceived(peer.Rank);
    }

    private void ReceiveNodes(Peer peer, Progress progress, in FrameHeader header)
    {
        if (header.Length > MaxNodes) throw Misplaced(header);
        var bytes = new byte[header.Length];
        peer.ReceivePayload(header, bytes);
        var nodes = StepCodec.DecodeSubtrees(bytes);
        progress.Parts = nodes.Count;
        progress.Lends = header.Part != 0;
        CountRead(peer, progress);
        _slice.Announce(peer.Rank, nodes);
    }

    private void ReceiveGradient(Peer peer, Progress progress, int parts, in FrameHeader header)
    {
        var (index, part) = Math.DivRem(progress.Gradients, parts);
        var chunk = _own.First + index;
        if (header.Offset != chunk || header.Part != part || !IsWhole(header, chunk)) throw Misplaced(header);
        if (header.Length > 0) ReceiveFloats(peer, progress, header, _slice.RoomFor(peer.Rank, chunk, part));
        else _slice.Map(peer.Rank, chunk, part, Mapped(peer, header), header.Checksum);
        progress.Gradients++;
        if (part == parts - 1) _slice.Arrived(peer.Rank, chunk);
    }

    private void ReceiveSum(Peer peer, Progress progress, in FrameHeader header)
    {
        var (first, end) = _chunks.OwnedBy(peer.Rank);
        if (header.Offset < first || header.Offset >= end || progress.HasSum[header.Offset]) throw Misplaced(header);
        var chunk = (int)header.Offset;
        if (!IsWhole(header, chunk)) throw Misplaced(header);
        var (start, length) = _chunks[chunk];
        var destination = _sum.Span.Slice(start, length);
        if (header.Length > 0) ReceiveFloats(peer, progress, header, destination);
        else SharedBuffer.Copy(Mapped(peer, header), destination, header);
        _checksums[chunk] = header.Checksum;
        progress.HasSum[chunk] = true;
        progress.Sums++;
    }

    private void ReceiveFloats(Peer peer, Progress progress, in FrameHeader header, Span<float> destination)
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

    /// <summary>The chunk that a header without payload refers to, in the sender's memory.</summary>
    private ReadOnlyMemory<float> Mapped(Peer peer, in FrameHeader header)
    {
        var (start, length) = _chunks[(int)header.Offset];
        return peer.Mapped(header.Total, _sum.Length).Slice(start, length);
    }

    /// <summary>Whether a frame has a chunk's bytes, or refers to them where the sender lends memory.</summary>
    private bool IsWhole(in FrameHeader header, int chunk) => header.Length == Bytes(chunk) || (header.Length == 0 && !_rounds);

    private void OwnSliceIsSummed()
    {
        foreach (var peer in Exchange.Peers) CountRead(peer, _peers[peer.Rank]);
    }

    private bool Lends(int rank) => _stays[rank] || _lendsSum[rank] || Array.Exists(_lent[rank], m => m is not null);

    /// <summary>On any thread: one of the three things is there after which all that the peer has lent is read.</summary>
    private void CountRead(Peer peer, Progress progress)
    {
        if (Interlocked.Decrement(ref progress.Unread) > 0 || !progress.Lends) return;
        peer.Send(new OutgoingFrame(null, new FrameHeader(FrameKind.Read, 0, Number, 0, 0, 0, 0), default), urgent: true);
    }

    /// <summary>
    /// Sends a chunk of the own slice to all members, before what else waits to be sent: it is in the cache, and others wait for it.
    /// </summary>
    private void Publish(int chunk, Memory<float> sum)
    {
        var payload = new ByteView<float>(sum).Memory;
        if (_rounds)
        {
            var rounded = _roundedSums.AsMemory((chunk - _own.First) * GradientChunks.Size, sum.Length);
            BFloat16.Round(sum.Span, rounded.Span);
            payload = new ByteView<ushort>(rounded).Memory;
        }

        _checksums[chunk] = FrameChecksum.Compute(payload.Span);
        var memory = SharedMemory.Find(_sum);
        foreach (var peer in Exchange.Peers)
        {
            var lent = _lendsSum[peer.Rank] ? memory : null;
            var header = Header(FrameKind.Sums, 0, chunk, lent) with { Checksum = _checksums[chunk] };
            peer.Send(new OutgoingFrame(this, header, payload, HasChecksum: true, Memory: lent, Stays: _stays[peer.Rank]), urgent: true);
        }

        if (Interlocked.Decrement(ref _unpublished) == 0) OwnSliceIsSummed();
    }

    private FrameHeader Header(FrameKind kind, int part, int chunk, SharedMemory? lent) => lent is null
        ? new FrameHeader(kind, Bytes(chunk), Number, part, chunk, _chunks.Count, 0)
        : new FrameHeader(kind, 0, Number, part, chunk, lent.Id, 0);

    private static int FramesTo(GradientChunks chunks, int own, int other, int parts) =>
        1 + Count(chunks.OwnedBy(other)) * parts + Count(chunks.OwnedBy(own));

    private static int Count((int First, int End) range) => range.End - range.First;

    private int Bytes(int chunk) => _chunks[chunk].Length * (_rounds ? sizeof(ushort) : sizeof(float));

    private InvalidDataException Misplaced(in FrameHeader header) =>
        new($"sent {header.Length} bytes of {header.Kind} for chunk {header.Offset} of {header.Total}, which was not to come now, while " +
        $"{Phase}");
}
