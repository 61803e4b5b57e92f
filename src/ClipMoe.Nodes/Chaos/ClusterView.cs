using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Chaos;

/// <summary>A cluster as it is seen from outside while it is disturbed: asked again and again how it is, and told what to do.</summary>
/// <param name="stop">Ends all waiting for answers.</param>
internal sealed class ClusterView(IReadOnlyList<string> addresses, CancellationToken stop) : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1), Fresh = TimeSpan.FromSeconds(4);

    private readonly ClusterClient _client = new(addresses, TlsOption.Transport(null));
    private volatile Answer? _last;

    private sealed record Answer(ClusterStatus Status, DateTime At);

    /// <summary>As it was a moment ago; null when it has not answered for a few seconds.</summary>
    public ClusterStatus? Status => _last is { } last && DateTime.UtcNow - last.At < Fresh ? last.Status : null;

    /// <summary>Keeps <see cref="Status"/> fresh until all waiting ends.</summary>
    /// <param name="seen">Told of each answer.</param>
    public async Task Follow(Func<ClusterStatus, Task> seen)
    {
        try
        {
            for (; ; await Task.Delay(Pause, stop))
            {
                if (await Try<ClusterStatus>(new GetStatus()) is not { } status) continue;
                _last = new Answer(status, DateTime.UtcNow);
                await seen(status);
            }
        }
        catch (OperationCanceledException)
        {
            // The view is closed.
        }
    }

    /// <returns>The answer; null when the request was refused, or no node answered, and then it may still be done later.</returns>
    /// <exception cref="OperationCanceledException">All waiting has ended.</exception>
    public async Task<T?> Try<T>(object request)
        where T : class
    {
        try
        {
            return await _client.Ask<T>(request).WaitAsync(stop);
        }
        catch (Exception e) when (e is IOException or UserErrorException)
        {
            return null;
        }
    }

    public IAsyncEnumerable<object> Watch(string id, CancellationToken cancellation) => _client.Watch(id, cancellation);

    public ValueTask DisposeAsync() => _client.DisposeAsync();
}
