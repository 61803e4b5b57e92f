using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// Exchanges between workers in several processes, over streams of their own: one to each other member of the generation.
/// </summary>
public sealed class StreamExchanges : IExchangeProvider, IDisposable
{
    /// <summary>How long a member that is early is kept waiting for the same generation to be joined here.</summary>
    private static readonly TimeSpan EarlyPatience = TimeSpan.FromMinutes(5);

    private const int MaxEarly = 256;

    private readonly TransportSettings _settings;
    private readonly object _gate = new();
    private readonly Dictionary<string, Latest> _stages = [];
    private int _early;
    private bool _disposed;

    /// <summary>The newest generation of a stage that was joined in this process.</summary>
    private sealed class Latest(int number)
    {
        public int Number => number;

        /// <summary>By rank; several workers may share a process.</summary>
        public Dictionary<int, StreamExchange> Members { get; } = [];

        public bool Over { get; set; }
    }

    /// <param name="listener">Where other members connect to; it can serve one of these objects.</param>
    public StreamExchanges(BulkListener listener)
    {
        _settings = listener.Settings;
        listener.Route(ConnectionPurpose.Exchange, Welcome);
    }

    /// <summary>
    /// A generation broke, told once on whatever thread noticed, also while nothing waits in its exchange. That a member left in good order
    /// breaks it only when it is waited for.
    /// </summary>
    public event Action<ExchangeBrokenException>? Broken;

    public IStepExchange Join(ExchangeGeneration generation) => Open(generation);

    /// <inheritdoc cref="Join"/>
    internal StreamExchange Open(ExchangeGeneration generation)
    {
        StreamExchange exchange;
        List<StreamExchange> superseded = [];
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_stages.TryGetValue(generation.Stage, out var latest) || latest.Number < generation.Number)
            {
                if (latest is not null) superseded.AddRange(latest.Members.Values);
                _stages[generation.Stage] = latest = new Latest(generation.Number);
            }

            if (latest.Number > generation.Number || latest.Over)
                throw new OperationCanceledException($"{generation} is over in this process, which has joined generation {latest.Number}");
            exchange = new StreamExchange(generation, _settings, e => Broken?.Invoke(e));
            if (!latest.Members.TryAdd(generation.Rank, exchange))
                throw new InvalidOperationException($"rank {generation.Rank} has joined {generation} already");
            Monitor.PulseAll(_gate);
        }

        foreach (var old in superseded) old.Abort();
        exchange.Connect();
        return exchange;
    }

    public void Abort(string stage, int generation) => End(stage, generation);

    /// <summary>Leaves every generation, and returns when that is done.</summary>
    public void Dispose()
    {
        List<string> stages;
        lock (_gate)
        {
            _disposed = true;
            stages = [.. _stages.Keys];
            Monitor.PulseAll(_gate);
        }

        foreach (var member in stages.SelectMany(s => End(s, int.MaxValue)).ToList()) member.Join();
    }

    /// <summary>Generations up to this one are over, also one that is joined later.</summary>
    private List<StreamExchange> End(string stage, int generation)
    {
        List<StreamExchange> members;
        lock (_gate)
        {
            if (!_stages.TryGetValue(stage, out var latest)) _stages[stage] = latest = new Latest(generation);
            if (latest.Number > generation) return [];
            members = [.. latest.Members.Values];
            if (latest.Number < generation) _stages[stage] = latest = new Latest(generation);
            latest.Over = true;
            latest.Members.Clear();
            Monitor.PulseAll(_gate);
        }

        foreach (var member in members) member.Abort();
        return members;
    }

    /// <summary>On the connection's own thread, which may wait here until the generation is joined.</summary>
    private void Welcome(PendingConnection pending)
    {
        var hello = pending.Hello;
        if (Find(hello, out var refusal) is not { } exchange)
            pending.Refuse(refusal);
        else if (exchange.Generation.Terms != hello.Terms)
            pending.Refuse($"generation {hello.Generation} of {hello.Stage} has other members here");
        else if (!exchange.Attach(hello.From, pending.Accept))
            pending.Refuse($"rank {hello.From} is not awaited in generation {hello.Generation} of {hello.Stage}");
    }

    private StreamExchange? Find(Hello hello, out string refusal)
    {
        var deadline = Environment.TickCount64 + (long)EarlyPatience.TotalMilliseconds;
        lock (_gate)
        {
            _early++;
            try
            {
                while (true)
                {
                    refusal = $"generation {hello.Generation} of {hello.Stage} is over here";
                    if (_stages.TryGetValue(hello.Stage, out var latest))
                    {
                        if (latest.Number > hello.Generation || (latest.Number == hello.Generation && latest.Over)) return null;
                        if (latest.Number == hello.Generation && latest.Members.TryGetValue(hello.To, out var exchange)) return exchange;
                    }

                    refusal = $"rank {hello.To} has not joined generation {hello.Generation} of {hello.Stage} here";
                    var left = deadline - Environment.TickCount64;
                    if (_disposed || _early > MaxEarly || left <= 0) return null;
                    Monitor.Wait(_gate, TimeSpan.FromMilliseconds(left));
                }
            }
            finally
            {
                _early--;
            }
        }
    }
}
