using System.Collections.Concurrent;
using ClipMoe.Model.Native;
using TorchSharp;

namespace ClipMoe.Actors.Compute;

/// <summary>
/// The one thread that owns every tensor of a device. Actors post work to it and get a task back; they never block, and no tensor ever
/// leaves.
/// </summary>
/// <remarks>libtorch keeps its thread count per calling thread, so it is set here, on the thread that computes.</remarks>
public sealed class DeviceThread : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    /// <param name="name">Shown in debuggers and crash dumps.</param>
    /// <param name="computeThreads">libtorch's intra-op threads for work of this device.</param>
    public DeviceThread(string name, int computeThreads)
    {
        _thread = new Thread(() => Loop(computeThreads)) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>Queues work; the task ends with its result or its exception, and its continuations run on the thread pool.</summary>
    public Task<T> Run<T>(Func<T> work)
    {
        var completion = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            try
            {
                completion.SetResult(work());
            }
            catch (Exception e)
            {
                completion.SetException(e);
            }
        });
        return completion.Task;
    }

    public Task Run(Action work) => Run(() =>
    {
        work();
        return true;
    });

    private void Loop(int computeThreads)
    {
        LibTorch.EnsureLoaded();
        torch.set_num_threads(computeThreads);
        foreach (var work in _work.GetConsumingEnumerable()) work();
    }

    /// <summary>Finishes the queued work, then ends the thread.</summary>
    public void Dispose()
    {
        _work.CompleteAdding();
        if (Thread.CurrentThread != _thread) _thread.Join();
    }
}
