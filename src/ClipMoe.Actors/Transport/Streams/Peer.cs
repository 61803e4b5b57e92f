using System.Net.Sockets;
using System.Runtime.InteropServices;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Native;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>Another member of the generation: its stream, with a thread for each direction.</summary>
internal sealed class Peer
{
    /// <summary>A peer that doesn't take a few bytes in this time has no use for them.</summary>
    private static readonly TimeSpan GoodbyeDeadline = TimeSpan.FromSeconds(1);

    /// <summary>Buffers of one peer that are mapped at a time; a replica has a handful.</summary>
    private const int MaxLent = 64;

    private readonly StreamExchange _exchange;
    private readonly BulkConnection _connection;
    private readonly FrameFault? _fault;
    /// <summary>
    /// Memory that each side has lent the other one; what was borrowed is touched until no thread of the exchange is left.
    /// </summary>
    private readonly HashSet<SharedMemory> _lent = [];
    private readonly Dictionary<long, SharedMemory> _borrowed = [];
    private readonly Thread _sender, _receiver;
    private readonly object _queue = new();
    private readonly Queue<OutgoingFrame> _urgent = [], _ordinary = [];
    private readonly ushort[] _rounded = new ushort[GradientChunks.Size];
    private readonly Dictionary<FrameKind, int> _faultOrdinals = [];
    private bool _closed, _leaving;

    public Peer(StreamExchange exchange, int rank, BulkConnection connection, FrameFault? fault)
    {
        (_exchange, Rank, _connection, _fault) = (exchange, rank, connection, fault);
        _sender = new Thread(() => Loop(SendLoop)) { Name = $"bulk-send-{rank}", IsBackground = true };
        _receiver = new Thread(() => Loop(ReceiveLoop)) { Name = $"bulk-receive-{rank}", IsBackground = true };
    }

    public int Rank { get; }

    /// <inheritdoc cref="SocketStream.LastProgress"/>
    public long LastProgress => _connection.LastProgress;

    /// <summary>Whether memory goes to it without a copy, if it stays as it is until the peer has said that it has read it.</summary>
    public bool SendsPages => _connection.SendsPages;

    public void Start()
    {
        _sender.Start();
        _receiver.Start();
    }

    /// <summary>Queues a frame; one that is urgent goes before those that are not.</summary>
    public void Send(in OutgoingFrame frame, bool urgent = false)
    {
        lock (_queue)
        {
            (urgent ? _urgent : _ordinary).Enqueue(frame);
            if (_urgent.Count + _ordinary.Count == 1) Monitor.Pulse(_queue);
        }
    }

    /// <summary>On the caller's thread: lends the peer memory for the rest of the generation, unless it has it already.</summary>
    /// <returns>Whether it has it then; over a network, and once there is a lot of it, it hasn't.</returns>
    public bool Map(SharedMemory? memory)
    {
        if (memory is null || !_connection.Lends) return false;
        if (_lent.Contains(memory)) return true;
        if (_lent.Count == MaxLent) return false;
        _lent.Add(memory);
        var header = new FrameHeader(FrameKind.Memory, 0, 0, 0, memory.Memory.Length, memory.Id, 0);
        // It goes before everything that refers to it, urgent or not.
        Send(new OutgoingFrame(null, header, default, HasChecksum: true, Memory: memory), urgent: true);
        return true;
    }

    /// <summary>On the receiving thread: memory that the peer has lent.</summary>
    /// <exception cref="InvalidDataException">It has not, or it is shorter.</exception>
    public ReadOnlyMemory<float> Mapped(long id, int length) => _borrowed.TryGetValue(id, out var memory) && memory.Memory.Length >= length
        ? memory.Memory
        : throw new InvalidDataException($"referred to {length} floats of memory {id}, which it has not lent");

    /// <summary>When no thread touches borrowed memory any more.</summary>
    public void Unmap()
    {
        foreach (var memory in _borrowed.Values) memory.Dispose();
    }

    /// <inheritdoc cref="BulkConnection.ReceivePayload"/>
    public void ReceivePayload(in FrameHeader header, Span<byte> payload) => _connection.ReceivePayload(header, payload);

    /// <summary>Ends both threads, from any thread.</summary>
    public void Close()
    {
        lock (_queue)
        {
            _closed = true;
            Monitor.Pulse(_queue);
        }

        _connection.Dispose();
    }

    /// <summary>Says goodbye before the stream is closed; only while nothing is queued.</summary>
    public void Leave()
    {
        lock (_queue)
        {
            _leaving = true;
            Monitor.Pulse(_queue);
        }
    }

    /// <summary>After <see cref="Close"/> or <see cref="Leave"/>: returns when neither thread touches shared memory any more.</summary>
    public void Join()
    {
        _sender.Join();
        _receiver.Join();
    }

    private void Loop(Action loop)
    {
        try
        {
            loop();
        }
        catch (Exception e)
        {
            _exchange.Broke(Rank, Reason(e), e);
        }
        finally
        {
            _exchange.Leave();
        }
    }

    private void SendLoop()
    {
        while (TryNext() is { } frame)
        {
            Transmit(frame);
            frame.Operation?.FrameSent(Rank);
        }

        if (!_leaving) return;
        _connection.BeginDeadline(GoodbyeDeadline);
        _connection.SendChecked(new FrameHeader(FrameKind.Goodbye, 0, 0, 0, 0, 0, 0), []);
        _connection.Dispose();
    }

    private OutgoingFrame? TryNext()
    {
        lock (_queue)
        {
            while (!_closed)
            {
                if (_urgent.TryDequeue(out var frame) || _ordinary.TryDequeue(out frame)) return frame;
                if (_leaving) return null;
                Monitor.Wait(_queue);
            }
        }

        return null;
    }

    private void Transmit(in OutgoingFrame frame)
    {
        var header = frame.Header;
        var payload = frame.Payload.Span;
        if (frame.Rounds)
        {
            BFloat16.Round(MemoryMarshal.Cast<byte, float>(payload), _rounded);
            payload = MemoryMarshal.AsBytes(_rounded.AsSpan(0, payload.Length / sizeof(float)));
        }

        if (!frame.HasChecksum) header = header with { Checksum = FrameChecksum.Compute(payload) };
        if (frame.Memory is not null && header.Kind != FrameKind.Memory) payload = [];
        if (header.Kind == FrameKind.Memory) _connection.Send(header, frame.Memory!.File);
        else if (_fault is not null) TransmitFaulty(header, payload);
        else if (frame.Stays) _connection.SendPages(header, payload);
        else _connection.Send(header, payload);
    }

    private void TransmitFaulty(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        _faultOrdinals.TryGetValue(header.Kind, out var ordinal);
        _faultOrdinals[header.Kind] = ordinal + 1;
        switch (_fault!(_exchange.Site(Rank, header.Kind, ordinal)))
        {
            case FaultAction.FlipBit when payload.Length > 0:
                var damaged = payload.ToArray();
                damaged[damaged.Length / 2] ^= 1;
                _connection.Send(header, damaged);
                break;
            case FaultAction.FlipBit:
                // There is none, or it is in memory that others read, too.
                _connection.Send(header with { Checksum = header.Checksum ^ 1 }, payload);
                break;
            case FaultAction.CloseStream:
                _connection.Dispose();
                break;
            case FaultAction.Repeat:
                _connection.Send(header, payload);
                _connection.Send(header, payload);
                break;
            default:
                _connection.Send(header, payload);
                break;
        }
    }

    private void ReceiveLoop()
    {
        while (true)
        {
            var header = _connection.ReceiveHeader();
            if (header.Kind == FrameKind.Goodbye)
            {
                _exchange.Left(Rank);
                return;
            }

            if (header.Kind == FrameKind.Memory) Map(header);
            else _exchange.Await(header.Operation).Receive(this, header);
        }
    }

    private void Map(in FrameHeader header)
    {
        if (header.Length != 0 || header.Offset > int.MaxValue || _borrowed.Count == MaxLent || _borrowed.ContainsKey(header.Total))
            throw new InvalidDataException($"lent memory {header.Total} of {header.Offset} floats, which was not to come");
        _borrowed.Add(header.Total, SharedMemory.Open(_connection.TakeFile(), (int)header.Offset));
    }

    private static string Reason(Exception e) => e switch
    {
        InvalidDataException => e.Message,
        EndOfStreamException or SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.Shutdown } =>
            "closed its stream",
        ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted } =>
            "had its stream closed from this side",
        _ => $"could not be exchanged with: {e.Message}",
    };
}
