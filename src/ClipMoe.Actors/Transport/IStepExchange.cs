using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Transport;

/// <summary>
/// The bulk exchange of one generation, as one of its members sees it. Every method blocks the calling device thread until all members have
/// called it, in the same order.
/// </summary>
public interface IStepExchange
{
    /// <summary>Everybody's features, in leaf order.</summary>
    /// <exception cref="OperationCanceledException">The generation was aborted.</exception>
    IReadOnlyList<LeafFeatures> Gather(IReadOnlyList<LeafFeatures> mine);

    /// <summary>Everybody's normalisers, in leaf order.</summary>
    IReadOnlyList<LeafNormalisers> Gather(IReadOnlyList<LeafNormalisers> mine);

    /// <summary>Sums the gradients of everybody's subtrees in the tree's order.</summary>
    /// <param name="mine">Maximal complete subtrees of the caller's leaves; not read any more after the call.</param>
    /// <param name="sum">Receives the sum over all leaves.</param>
    /// <returns>A hash of the sum; equal on all members whose sums are equal.</returns>
    UInt128 Reduce(ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum);
}

/// <summary>Gives members of a generation their exchange, and aborts it.</summary>
public interface IExchangeProvider
{
    IStepExchange Join(string stage, int generation, int rank, int world);

    /// <summary>Everybody who waits in an exchange of the stage stops waiting with <see cref="OperationCanceledException"/>.</summary>
    void Abort(string stage);
}
