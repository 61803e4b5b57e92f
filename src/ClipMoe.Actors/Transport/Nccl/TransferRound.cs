using System.Runtime.InteropServices;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Streams;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>
/// What a member sends and receives at once, in the format in which it travels, each piece followed by the checksums of its chunks. Used
/// for one round after another, in the same memory.
/// </summary>
internal sealed class TransferRound(INcclTransport transport)
{
    private readonly List<Outgoing> _sends = [];
    private readonly List<Incoming> _receives = [];
    private readonly List<Arrival> _arrivals = [];
    private readonly Arena<float> _floats = new();
    private readonly Arena<ushort> _rounded = new();
    private readonly Arena<ulong> _checksums = new();
    private GradientFormat _format;

    private readonly record struct Arrival(int From, Memory<byte> Traveled, Memory<ulong> Checksums, Memory<float> Piece);

    /// <summary>Forgets the last round, whose memory is used again.</summary>
    public void Begin(GradientFormat format)
    {
        _format = format;
        _sends.Clear();
        _receives.Clear();
        _arrivals.Clear();
        _floats.Clear();
        _rounded.Clear();
        _checksums.Clear();
    }

    /// <summary>Memory until the next round begins.</summary>
    public Memory<float> Rent(int length) => _floats.Take(length);

    /// <param name="to">May be empty.</param>
    /// <returns>The checksums of its chunks as they travel.</returns>
    public ReadOnlyMemory<ulong> Send(ReadOnlyMemory<float> piece, IReadOnlyList<int> to)
    {
        var bytes = Bytes(piece);
        var checksums = _checksums.Take(ChunksIn(piece.Length));
        Check(bytes.Span, checksums.Span);
        if (to.Count > 0 && piece.Length > 0)
        {
            _sends.Add(new Outgoing(bytes, to));
            _sends.Add(new Outgoing(new ByteView<ulong>(checksums).Memory, to));
        }

        return checksums;
    }

    /// <returns>The checksums of its chunks as they travel, once the round was carried.</returns>
    public ReadOnlyMemory<ulong> Receive(int from, Memory<float> piece)
    {
        var checksums = _checksums.Take(ChunksIn(piece.Length));
        if (piece.Length == 0) return checksums;
        var bytes = _format == GradientFormat.Bf16
            ? new ByteView<ushort>(_rounded.Take(piece.Length)).Memory
            : new ByteView<float>(piece).Memory;
        _receives.Add(new Incoming(from, bytes));
        _receives.Add(new Incoming(from, new ByteView<ulong>(checksums).Memory));
        _arrivals.Add(new Arrival(from, bytes, checksums, piece));
        return checksums;
    }

    /// <exception cref="NcclTransportException">It failed, or something arrived damaged.</exception>
    public void Transfer()
    {
        if (_sends.Count + _receives.Count > 0) transport.Carry(_sends, _receives);
        foreach (var arrival in _arrivals)
        {
            var found = new ulong[arrival.Checksums.Length];
            Check(arrival.Traveled.Span, found);
            if (!arrival.Checksums.Span.SequenceEqual(found))
                throw new NcclTransportException("sent something that arrived damaged", arrival.From);
            if (_format == GradientFormat.Bf16)
                BFloat16.Widen(MemoryMarshal.Cast<byte, ushort>(arrival.Traveled.Span), arrival.Piece.Span);
        }
    }

    private ReadOnlyMemory<byte> Bytes(ReadOnlyMemory<float> piece)
    {
        if (_format == GradientFormat.Fp32) return new ByteView<float>(piece).Memory;
        var rounded = _rounded.Take(piece.Length);
        BFloat16.Round(piece.Span, rounded.Span);
        return new ByteView<ushort>(rounded).Memory;
    }

    private void Check(ReadOnlySpan<byte> piece, Span<ulong> checksums)
    {
        var chunk = GradientChunks.Size * (_format == GradientFormat.Bf16 ? sizeof(ushort) : sizeof(float));
        for (var i = 0; i < checksums.Length; i++)
            checksums[i] = FrameChecksum.Compute(piece[(i * chunk)..Math.Min(piece.Length, (i + 1) * chunk)]);
    }

    private static int ChunksIn(int length) => new GradientChunks(length, 1).Count;

    /// <summary>Memory that is given out piece by piece, and all at once is free again.</summary>
    private sealed class Arena<T>
    {
        private T[] _items = [];
        private int _taken;

        public Memory<T> Take(int length)
        {
            // Buffers given out before stay where they are.
            if (_taken + length > _items.Length)
                (_items, _taken) = (GC.AllocateUninitializedArray<T>(Math.Max(_items.Length * 2, length)), 0);
            _taken += length;
            return _items.AsMemory(_taken - length, length);
        }

        public void Clear() => _taken = 0;
    }
}
