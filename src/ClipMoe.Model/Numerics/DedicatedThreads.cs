using System.Runtime.ExceptionServices;

namespace ClipMoe.Model.Numerics;

/// <summary>
/// Long loops on threads of their own: on the thread pool, computing or reading files, they would keep actors and heartbeats waiting.
/// </summary>
internal static class DedicatedThreads
{
    /// <summary>Runs the body for 0 … count−1, in any order, on the calling thread and <paramref name="threads"/> − 1 others.</summary>
    /// <exception cref="Exception">The first exception of a body; what has not begun by then is left out.</exception>
    public static void For(int count, int threads, Action<int> body, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        var next = -1;
        ExceptionDispatchInfo? failure = null;
        void Work()
        {
            try
            {
                int i;
                while (Volatile.Read(ref failure) is null && (i = Interlocked.Increment(ref next)) < count)
                {
                    cancellation.ThrowIfCancellationRequested();
                    body(i);
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
        }

        var others = Enumerable.Range(1, Math.Max(0, Math.Min(threads, count) - 1))
            .Select(i => new Thread(Work) { IsBackground = true, Name = $"compute-{i}" }).ToList();
        others.ForEach(t => t.Start());
        Work();
        others.ForEach(t => t.Join());
        failure?.Throw();
    }
}
