using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>An all-gather: every member's message to every member.</summary>
internal sealed class GatherOperation : Operation
{
    private const int MaxFrame = 1 << 18;

    private readonly FrameKind _kind;
    private readonly ReadOnlyMemory<byte> _mine;
    private readonly byte[]?[] _messages;
    private readonly int[] _received;

    public GatherOperation(StreamExchange exchange, uint number, FrameKind kind, ReadOnlyMemory<byte> mine)
        : base(exchange, number, _ => Frames(mine.Length))
    {
        _kind = kind;
        _mine = mine;
        _messages = new byte[exchange.World][];
        _received = new int[exchange.World];
    }

    public override string Phase => $"{_kind.ToString().ToLowerInvariant()} were gathered";

    /// <summary>A peer's message, once the operation is complete.</summary>
    public ReadOnlySpan<byte> this[int rank] => rank == Exchange.Rank ? _mine.Span : _messages[rank];

    public override void Start()
    {
        foreach (var peer in Exchange.Peers)
        {
            for (var frame = 0; frame < Frames(_mine.Length); frame++)
            {
                var start = frame * MaxFrame;
                var payload = _mine[start..Math.Min(_mine.Length, start + MaxFrame)];
                peer.Send(new OutgoingFrame(this, new FrameHeader(_kind, payload.Length, Number, 0, start, _mine.Length, 0), payload));
            }
        }
    }

    public override void Receive(Peer peer, in FrameHeader header)
    {
        var rank = peer.Rank;
        var total = _messages[rank]?.Length ?? header.Total;
        var follows = header.Kind == _kind && header.Total == total && header.Offset == _received[rank];
        if (!follows || header.Length != Math.Min(MaxFrame, total - header.Offset)) throw Misplaced(header);
        // The length is covered by the header's checksum and comes from a member.
        var message = _messages[rank] ??= GC.AllocateUninitializedArray<byte>(checked((int)total));
        peer.ReceivePayload(header, message.AsSpan(_received[rank]));
        _received[rank] += header.Length;
        if (_received[rank] == message.Length) AllReceived(rank);
    }

    private static int Frames(int length) => Math.Max(1, (length + MaxFrame - 1) / MaxFrame);

    private InvalidDataException Misplaced(in FrameHeader header) =>
        new($"sent {header.Kind} from byte {header.Offset} on of {header.Total} while {Phase}");
}
