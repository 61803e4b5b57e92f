using System.Diagnostics;
using ClipMoe.Actors.Faults;

namespace ClipMoe.Cluster.Tests;

/// <summary>
/// Holds the run of a cluster at the steps where a scenario acts, so that it never depends on how long a run takes. While a training stage
/// is held it takes a step for each change of its workers, and no other.
/// </summary>
/// <param name="log">What the nodes said.</param>
internal sealed class RunHolds(string folder, Func<string> log)
{
    private readonly StepHolds _holds = new(Directory.CreateDirectory(folder).FullName);

    public string Folder => folder;

    /// <summary>The stage may take the steps before this one; to be said before it can have come to it.</summary>
    public void Hold(string stage, int step) => _holds.Hold(stage, step);

    public void Release(string stage) => _holds.Release(stage);

    /// <summary>Waits until a step is held.</summary>
    /// <param name="workers">That take it together, in training; null: however many.</param>
    /// <param name="after">A generation of workers; what is held is of a later one.</param>
    public async Task<HeldStep> Until(string stage, int? workers = null, int after = -1)
    {
        using var patience = new CancellationTokenSource(TestCluster.Patience);
        while (true)
        {
            var held = _holds.Held(stage);
            if (held.FirstOrDefault(h => h.Generation > after && (workers is null || h.Workers == workers)) is { } found) return found;
            try
            {
                await Task.Delay(StepHolds.LookEvery, patience.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException(
                    $"{stage} did not come to be held with {workers} workers; held: {string.Join(", ", held)}\n{log()}");
            }
        }
    }

    /// <summary>Lets a training stage that is held take so many more steps, after which it is held again.</summary>
    public async Task Advance(string stage, int steps) => Hold(stage, (await Until(stage)).Step + steps);
}
