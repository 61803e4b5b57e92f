using System.Runtime.ExceptionServices;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// A parallel loop on threads of its own. The thread pool is left alone: file reading would block it, and with it the actors that share it.
/// </summary>
internal static class DedicatedThreads
{
    /// <summary>
    /// Calls <paramref name="body"/> for 0 … count−1, in no particular order; the first exception stops the loop and is rethrown here.
    /// </summary>
    public static void For(int count, Action<int> body, CancellationToken cancellation, int? threads = null)
    {
        var next = -1;
        ExceptionDispatchInfo? failure = null;
        void Work()
        {
            try
            {
                for (var i = Interlocked.Increment(ref next); i < count && failure is null; i = Interlocked.Increment(ref next))
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

        var workers = new Thread[Math.Clamp(threads ?? Environment.ProcessorCount, 1, Math.Max(1, count))];
        for (var t = 0; t < workers.Length; t++)
        {
            workers[t] = new Thread(Work) { IsBackground = true, Name = $"data {t}" };
            workers[t].Start();
        }

        foreach (var worker in workers)
            worker.Join();
        failure?.Throw();
    }
}
