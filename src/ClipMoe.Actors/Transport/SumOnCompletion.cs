using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;

namespace ClipMoe.Actors.Transport;

/// <summary>
/// A sum of a part of the gradients that is made when it is asked for, where nothing can be exchanged while the caller computes.
/// </summary>
/// <param name="reduce">Sums whole gradients; given the part of each, and that of the sum.</param>
internal sealed class SumOnCompletion(
    Func<IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)>, Memory<float>, UInt128> reduce,
    IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum, GradientRange part) : ISumInProgress
{
    public UInt128 Complete() =>
        reduce([.. mine.Select(m => (m.Node, m.Gradient.Slice(part.Start, part.Length)))], sum.Slice(part.Start, part.Length));

    public void Dispose()
    {
    }
}
