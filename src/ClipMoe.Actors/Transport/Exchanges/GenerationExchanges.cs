using ClipMoe.Actors.Transport.Nccl;
using ClipMoe.Actors.Transport.Streams;

namespace ClipMoe.Actors.Transport.Exchanges;

/// <summary>
/// Exchanges between workers in several processes. What the gradients of a generation go over is chosen here and nowhere else: NCCL where
/// all members can, streams otherwise.
/// </summary>
public sealed class GenerationExchanges : IExchangeProvider, IDisposable
{
    private readonly StreamExchanges _streams;
    private readonly NcclExchanges _nccl;
    private readonly Action<string> _log;
    private string? _logged;

    /// <param name="streams">Belongs to this object from then on.</param>
    /// <param name="device">Name of the device that the members in this process compute on.</param>
    /// <param name="encrypted">Whether bytes may leave the host only encrypted.</param>
    /// <param name="log">On a GPU, told one sentence about what the gradients go over when that changes.</param>
    public GenerationExchanges(StreamExchanges streams, string device, bool encrypted, Action<string> log)
        : this(streams, new NcclTransports(device, encrypted), log)
    {
    }

    internal GenerationExchanges(StreamExchanges streams, INcclTransports transports, Action<string> log) =>
        (_streams, _nccl, _log) = (streams, new NcclExchanges(transports), log);

    public IStepExchange Join(ExchangeGeneration generation)
    {
        var streams = _streams.Open(generation);
        _nccl.Close(generation.Stage, generation.Number - 1);
        return UsesNccl(streams) ? _nccl.Open(streams) : streams;
    }

    public void Abort(string stage, int generation)
    {
        // A wait in a transport asks the streams whether it is over.
        _streams.Abort(stage, generation);
        _nccl.Close(stage, generation);
    }

    public void Dispose()
    {
        _streams.Dispose();
        _nccl.Dispose();
    }

    /// <summary>All members offer what they can, and so come to the same choice.</summary>
    private bool UsesNccl(StreamExchange streams)
    {
        if (streams.World == 1) return false;
        var own = _nccl.Offer;
        var why = NcclOffer.WhyNot([.. streams.Gather(own.Encode()).Select(NcclOffer.Decode)]);
        if (own != NcclOffer.Processor)
            Log(why is null ? "gradients are exchanged over NCCL" : $"gradients are exchanged over sockets, not NCCL: {why}");
        return why is null;
    }

    private void Log(string sentence)
    {
        if (Interlocked.Exchange(ref _logged, sentence) != sentence) _log(sentence);
    }
}
