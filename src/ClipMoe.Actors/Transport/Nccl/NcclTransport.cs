namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>Carries bytes through the GPU's memory by NCCL's sends and receives, on a stream of its own.</summary>
/// <remarks>
/// The communicator is non-blocking: none of its calls waits, the thread that does asks NCCL, the stream, and whether the generation is
/// over, in turn. So it gets loose by itself, and no other thread calls NCCL meanwhile.
/// </remarks>
internal sealed class NcclTransport : INcclTransport
{
    private const int Alignment = 512;

    private readonly NcclLibrary _nccl;
    private readonly CudaDriver _cuda;
    private readonly nint _context;
    private readonly TimeSpan _patience;
    private readonly Action _throwIfOver;
    /// <summary>Held while the device is used.</summary>
    private readonly Lock _use = new();
    private volatile bool _disposed;
    private nint _communicator, _stream, _memory;
    private long _capacity;

    /// <inheritdoc cref="INcclTransports.Connect"/>
    public NcclTransport(
        NcclLibrary nccl, CudaDriver cuda, nint context, byte[] uniqueId, int rank, int world, TimeSpan patience, Action throwIfOver)
    {
        (_nccl, _cuda, _context, _patience, _throwIfOver) = (nccl, cuda, context, patience, throwIfOver);
        Use(() =>
        {
            _stream = cuda.CreateStream();
            _communicator = nccl.BeginCommunicator(uniqueId, rank, world);
            Await(() => true);
        });
    }

    public void Carry(IReadOnlyList<Outgoing> sends, IReadOnlyList<Incoming> receives) => Use(() =>
    {
        var length = 0L;
        var sources = sends.Select(s => Place(s.Bytes.Length, ref length)).ToList();
        var targets = receives.Select(r => Place(r.Bytes.Length, ref length)).ToList();
        Reserve(length);
        for (var i = 0; i < sends.Count; i++) _cuda.Copy(sends[i].Bytes.Span, _memory + sources[i], _stream);
        _nccl.Group(
            _communicator, _stream,
            sends.Zip(sources, (send, at) => send.To.Select(to => (_memory + at, send.Bytes.Length, to))).SelectMany(s => s),
            receives.Zip(targets, (receive, at) => (_memory + at, receive.Bytes.Length, receive.From)));
        Await(() => _cuda.IsIdle(_stream));
        for (var i = 0; i < receives.Count; i++) _cuda.Copy(_memory + targets[i], receives[i].Bytes.Span, _stream);
    });

    /// <summary>If another thread uses the transport, that one frees it when it is done.</summary>
    public void Dispose()
    {
        _disposed = true;
        FreeIfUnused();
    }

    private static nint Place(int length, ref long end)
    {
        var start = end;
        end += (length + Alignment - 1) / Alignment * Alignment;
        return (nint)start;
    }

    private void Reserve(long length)
    {
        if (length <= _capacity) return;
        _cuda.Free(0, _memory);
        (_memory, _capacity) = (0, 0);
        (_memory, _capacity) = (_cuda.Allocate(length), length);
    }

    private void Use(Action action)
    {
        lock (_use)
        {
            if (_disposed) throw new NcclTransportException("had its transport closed");
            try
            {
                _cuda.Enter(_context);
                try
                {
                    action();
                }
                finally
                {
                    _cuda.Leave();
                }
            }
            catch
            {
                _disposed = true;
                throw;
            }
            finally
            {
                // Here, so that nothing touches the caller's memory after a failure.
                if (_disposed) Free();
            }
        }

        // Another thread may have come between the last look and the end of the use.
        if (_disposed) FreeIfUnused();
    }

    private void FreeIfUnused()
    {
        if (_use.IsHeldByCurrentThread || !_use.TryEnter()) return;
        try
        {
            Free();
        }
        finally
        {
            _use.Exit();
        }
    }

    private void Free()
    {
        if (_stream == 0) return;
        try
        {
            _cuda.Enter(_context);
            _nccl.Abort(_communicator);
            _cuda.Free(_stream, _memory);
            _cuda.Leave();
        }
        catch (NcclTransportException)
        {
            // The device is lost, and all of this with it.
        }

        (_communicator, _stream, _memory, _capacity) = (0, 0, 0, 0);
    }

    /// <summary>Until the communicator has done what it was asked and this holds.</summary>
    private void Await(Func<bool> done)
    {
        var begun = Environment.TickCount64;
        var spin = default(SpinWait);
        while (!_nccl.IsReady(_communicator) || !done())
        {
            _throwIfOver();
            if (Environment.TickCount64 - begun > _patience.TotalMilliseconds)
                throw new NcclTransportException($"waited for NCCL for {_patience}");
            // A round takes milliseconds, and to sleep may take as long.
            spin.SpinOnce(sleep1Threshold: -1);
        }
    }
}
