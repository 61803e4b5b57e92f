using ClipMoe.Actors.Transport.Streams;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>
/// What this process offers of NCCL, and its exchanges over it: each generation has a communicator of its own members alone.
/// </summary>
internal sealed class NcclExchanges(INcclTransports transports) : IDisposable
{
    /// <summary>
    /// Generations in a row that may break in NCCL before this member offers it no more. A member that dies breaks one, too, which can't
    /// always be told from one that NCCL broke.
    /// </summary>
    private const int MaxFailures = 3;

    private readonly Lock _gate = new();
    private readonly List<NcclExchange> _open = [];
    private int _failures;
    private string? _lastFailure;

    public NcclOffer Offer
    {
        get
        {
            lock (_gate)
            {
                return _failures < MaxFailures ? transports.Offer
                    : NcclOffer.None($"saw it fail {_failures} times without a success in between, the last time: {_lastFailure}");
            }
        }
    }

    /// <summary>For a generation whose members have all offered NCCL; returns when all have called it.</summary>
    /// <exception cref="ExchangeBrokenException">They could not be connected.</exception>
    public IStepExchange Open(StreamExchange streams)
    {
        try
        {
            return Connect(streams);
        }
        catch (NcclTransportException e)
        {
            throw NcclExchange.Broken(streams, e, Note);
        }
    }

    /// <summary>Closes the exchanges of generations up to this one.</summary>
    /// <param name="stage">Null: of all stages.</param>
    public void Close(string? stage, int generation)
    {
        List<NcclExchange> over;
        lock (_gate)
        {
            over = [.. _open.Where(e => (stage is null || e.Generation.Stage == stage) && e.Generation.Number <= generation)];
            _open.RemoveAll(over.Contains);
        }

        over.ForEach(e => e.Dispose());
    }

    public void Dispose() => Close(null, int.MaxValue);

    private NcclExchange Connect(StreamExchange streams)
    {
        var (rank, world) = (streams.Rank, streams.World);
        var group = streams.Gather(rank == 0 ? transports.NewGroup() : [])[0];
        var transport = transports.Connect(group, rank, world, streams.Generation.Patience, streams.ThrowIfOver);
        var exchange = new NcclExchange(streams, transport) { Outcome = Note };
        lock (_gate) _open.Add(exchange);
        try
        {
            // A generation that ended before it was on the list was not closed with it.
            streams.ThrowIfOver();
        }
        catch
        {
            exchange.Dispose();
            throw;
        }

        return exchange;
    }

    private void Note(string? failure)
    {
        lock (_gate) (_failures, _lastFailure) = failure is null ? (0, null) : (_failures + 1, failure);
    }
}
