using System.Net;
using System.Runtime.ExceptionServices;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Streams;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>Some members in this process, each with a listener of its own and real sockets between them.</summary>
internal sealed class Mesh : IDisposable
{
    public const string Stage = "stage";

    /// <summary>Long enough never to matter, short enough to end a test that hangs with a message.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly List<BulkListener> _listeners = [];

    /// <param name="settings">By rank; null: the defaults.</param>
    /// <param name="far">Ranks that are connected to over TCP even so.</param>
    public Mesh(int world, bool unix, Func<int, TransportSettings>? settings = null, params int[] far)
    {
        for (var rank = 0; rank < world; rank++)
        {
            var listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), settings?.Invoke(rank)
                ?? new TransportSettings());
            _listeners.Add(listener);
            Exchanges.Add(new StreamExchanges(listener));
        }

        Endpoints = [.. _listeners.Select((l, rank) => unix && !far.Contains(rank) ? l.Endpoint : l.Endpoint with { UnixSocket = null })];
    }

    public IReadOnlyList<BulkEndpoint> Endpoints { get; }

    public List<StreamExchanges> Exchanges { get; } = [];

    public ExchangeGeneration Generation(int rank, int number = 0) => new(Stage, number, rank, Endpoints) { Patience = Patience };

    /// <summary>What each member's thread returns.</summary>
    public T[] Run<T>(Func<int, IStepExchange, T> member, Func<ExchangeGeneration, ExchangeGeneration>? change = null)
    {
        var results = new T[Endpoints.Count];
        var failures = Threads(Endpoints.Count, rank =>
        {
            var generation = Generation(rank);
            results[rank] = member(rank, Exchanges[rank].Join(change?.Invoke(generation) ?? generation));
        });
        if (failures.FirstOrDefault(f => f is not null) is { } failure) ExceptionDispatchInfo.Throw(failure);
        return results;
    }

    /// <summary>What each member's thread throws; null where it does not.</summary>
    public Exception?[] Failures(Action<int, IStepExchange> member, Func<ExchangeGeneration, ExchangeGeneration>? change = null) =>
        Threads(Endpoints.Count, rank =>
        {
            var generation = Generation(rank);
            member(rank, Exchanges[rank].Join(change?.Invoke(generation) ?? generation));
        });

    public static Exception?[] Threads(int count, Action<int> body)
    {
        var failures = new Exception?[count];
        var threads = Enumerable.Range(0, count).Select(i => new Thread(() =>
        {
            try
            {
                body(i);
            }
            catch (Exception e)
            {
                failures[i] = e;
            }
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        return failures;
    }

    public void Dispose()
    {
        Exchanges.ForEach(e => e.Dispose());
        _listeners.ForEach(l => l.Dispose());
    }
}
