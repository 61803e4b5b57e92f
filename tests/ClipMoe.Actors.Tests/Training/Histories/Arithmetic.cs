using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>
/// Stands for weights and gradients: a number that is another one after each other order of updates. Two replicas have the same number only
/// if they made the same steps, each once and in order.
/// </summary>
internal sealed class Arithmetic(int leaves)
{
    private readonly List<ulong> _undisturbed = [1];

    /// <summary>The weights after so many steps of a run to which nothing happens.</summary>
    public ulong Undisturbed(int step)
    {
        while (_undisturbed.Count <= step)
            _undisturbed.Add(Update(_undisturbed[^1], Gradient(_undisturbed.Count - 1, Enumerable.Repeat(_undisturbed[^1], leaves))));
        return _undisturbed[step];
    }

    /// <param name="weights">With which each leaf was computed.</param>
    public static ulong Gradient(int step, IEnumerable<ulong> weights) => weights.Aggregate(Mix(0, (ulong)step), Mix);

    public static ulong Update(ulong weights, ulong gradient) => Mix(weights, gradient);

    public static double LossOf(int step, int leaf) => 1 / (1 + leaf + 0.3 * step);

    public double Loss(int step) => new ReductionTree(leaves)
        .Combine([.. Enumerable.Range(0, leaves).Select(leaf => (new Subtree(leaf, leaf + 1), LossOf(step, leaf)))], (a, b) => a + b);

    public static string Hash(ulong value) => value.ToString("x16");

    private static ulong Mix(ulong a, ulong b)
    {
        var z = (a ^ (b + 0x9E3779B97F4A7C15 + (a << 6) + (a >> 2))) * 0xBF58476D1CE4E5B9;
        return z ^ (z >> 31);
    }
}
