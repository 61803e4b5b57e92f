using ClipMoe.Actors.Transport;

namespace ClipMoe.Actors.Training;

/// <summary>
/// Which generations are over for a worker. Its actor closes them, its device thread asks before it waits for a peer: whichever comes
/// first, nothing waits in a generation that is over. Generations of an experiment have ascending numbers.
/// </summary>
internal sealed class GenerationFence(IExchangeProvider exchanges)
{
    private readonly Lock _gate = new();
    private string _exchange = "";
    private int _announced = -1;
    private int _over = -1;
    private CancellationTokenSource _waiting = new();

    /// <summary>The actor was told of a generation, which its device thread may enter when it gets there.</summary>
    /// <param name="exchange">What the generation's exchange is called.</param>
    public void Announce(string exchange, int generation)
    {
        lock (_gate)
        {
            _exchange = exchange;
            _announced = Math.Max(_announced, generation);
            _waiting = new CancellationTokenSource();
        }
    }

    public bool IsOver(int generation)
    {
        lock (_gate) return generation <= _over;
    }

    /// <summary>Cancelled when the generation is over.</summary>
    /// <exception cref="OperationCanceledException">It is.</exception>
    public CancellationToken Pass(int generation)
    {
        lock (_gate)
        {
            if (generation <= _over) throw new OperationCanceledException($"generation {generation} is over");
            return _waiting.Token;
        }
    }

    /// <summary>Generations up to this one are over.</summary>
    public void Close(int generation)
    {
        string exchange;
        lock (_gate)
        {
            if (generation <= _over) return;
            _over = generation;
            exchange = _exchange;
            if (_announced <= generation) _waiting.Cancel();
        }
        exchanges.Abort(exchange, generation);
    }

    /// <summary>Ends the announced generation, if it belongs to this exchange.</summary>
    public void Close(string exchange)
    {
        lock (_gate)
            if (_exchange != exchange) return;
        Close();
    }

    /// <summary>Ends the announced generation.</summary>
    public void Close() => Close(_announced);
}
