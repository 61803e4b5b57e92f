using ClipMoe.Actors.Transport.Streams;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>
/// Exchanges over streams, and where all members of a generation can, over NCCL: each generation has a communicator of its own members
/// alone.
/// </summary>
public sealed class NcclExchanges : IExchangeProvider, IDisposable
{
    /// <summary>
    /// Generations in a row that may break in NCCL before this member offers it no more. A member that dies breaks one, too, which can't
    /// always be told from one that NCCL broke.
    /// </summary>
    private const int MaxFailures = 3;

    private readonly StreamExchanges _streams;
    private readonly INcclTransports _transports;
    private readonly Action<string> _log;
    private readonly Lock _gate = new();
    private readonly List<NcclExchange> _open = [];
    private int _failures;
    private string? _lastFailure;
    private string? _logged;

    /// <param name="streams">Belongs to this object from then on.</param>
    /// <param name="device">Name of the device that the members in this process compute on.</param>
    /// <param name="encrypted">Whether bytes may leave the host only encrypted.</param>
    /// <param name="log">On a GPU, told one sentence about what the gradients go over when that changes.</param>
    public NcclExchanges(StreamExchanges streams, string device, bool encrypted, Action<string> log)
        : this(streams, new NcclTransports(device, encrypted), log)
    {
    }

    internal NcclExchanges(StreamExchanges streams, INcclTransports transports, Action<string> log) =>
        (_streams, _transports, _log) = (streams, transports, log);

    public IStepExchange Join(ExchangeGeneration generation)
    {
        var streams = (StreamExchange)_streams.Join(generation);
        Close(generation.Stage, generation.Number - 1);
        try
        {
            return Choose(streams);
        }
        catch (NcclTransportException e)
        {
            throw NcclExchange.Broken(streams, e, Note);
        }
    }

    public void Abort(string stage, int generation)
    {
        // A wait in a transport asks the streams whether it is over.
        _streams.Abort(stage, generation);
        Close(stage, generation);
    }

    public void Dispose()
    {
        _streams.Dispose();
        Close(null, int.MaxValue);
    }

    private IStepExchange Choose(StreamExchange streams)
    {
        if (streams.World == 1) return streams;
        var own = Offer();
        var why = NcclOffer.WhyNot([.. streams.Gather(own.Encode()).Select(NcclOffer.Decode)]);
        if (own != NcclOffer.Processor)
            Log(why is null ? "gradients are exchanged over NCCL" : $"gradients are exchanged over sockets, not NCCL: {why}");
        if (why is not null) return streams;

        var (rank, world) = (streams.Rank, streams.World);
        var group = streams.Gather(rank == 0 ? _transports.NewGroup() : [])[0];
        var transport = _transports.Connect(group, rank, world, streams.Generation.Patience, streams.ThrowIfOver);
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

    private NcclOffer Offer()
    {
        lock (_gate)
        {
            return _failures < MaxFailures ? _transports.Offer
                : NcclOffer.None($"saw it fail {_failures} times without a success in between, the last time: {_lastFailure}");
        }
    }

    private void Note(string? failure)
    {
        lock (_gate) (_failures, _lastFailure) = failure is null ? (0, null) : (_failures + 1, failure);
    }

    private void Log(string sentence)
    {
        if (Interlocked.Exchange(ref _logged, sentence) != sentence) _log(sentence);
    }

    private void Close(string? stage, int generation)
    {
        List<NcclExchange> over;
        lock (_gate)
        {
            over = [.. _open.Where(e => (stage is null || e.Generation.Stage == stage) && e.Generation.Number <= generation)];
            _open.RemoveAll(over.Contains);
        }

        over.ForEach(e => e.Dispose());
    }
}
