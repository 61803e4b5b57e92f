using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Transport;

/// <summary>
/// The bulk exchange of one generation, as one of its members sees it. Every method but <see cref="BeginReduce"/> blocks the calling
/// device thread until all members have called it, in the same order.
/// </summary>
/// <remarks>What blocks throws <see cref="OperationCanceledException"/> after the generation was aborted here, and
/// <see cref="ExchangeBrokenException"/> after it broke; then no memory that was handed over is written any more; a network card
/// may still read it, for nothing.</remarks>
public interface IStepExchange
{
    /// <summary>All members' features, in leaf order.</summary>
    IReadOnlyList<MicroBatchFeatures> Gather(IReadOnlyList<MicroBatchFeatures> mine);

    /// <summary>All members' blocks of a round of the loss, in leaf order.</summary>
    IReadOnlyList<LossBlock> Gather(IReadOnlyList<LossBlock> mine);

    /// <summary>
    /// Begins to sum a part of the gradients of all members' subtrees in the tree's order, while the caller computes on; it is to be
    /// completed before anything else is exchanged.
    /// </summary>
    /// <param name="tree">Its format is that of the gradients and their sums, also on the network.</param>
    /// <param name="mine">Maximal complete subtrees of the caller's leaves, each of the sum's length; their part is read until
    /// completion.</param>
    /// <param name="sum">Its part receives the sum over all leaves; not the memory of a subtree.</param>
    /// <param name="part">The same for all members.</param>
    ISumInProgress BeginReduce(
        ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum, GradientRange part);

    /// <summary>Sums the gradients of all members' subtrees in the tree's order.</summary>
    /// <returns>A hash of the sum, equal on all members whose sums are equal.</returns>
    /// <inheritdoc cref="BeginReduce"/>
    UInt128 Reduce(ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum)
    {
        using var all = BeginReduce(tree, mine, sum, new GradientRange(0, sum.Length));
        return all.Complete();
    }
}

/// <summary>
/// A sum that <see cref="IStepExchange.BeginReduce"/> has begun. If it is disposed before it is complete, the exchange breaks for
/// all members for which it has begun; when that returns, memory that was handed over is as after a break.
/// </summary>
public interface ISumInProgress : IDisposable
{
    /// <summary>Waits for the sum.</summary>
    /// <returns>A hash of it, equal on all members whose sums are equal.</returns>
    UInt128 Complete();
}

/// <summary>Gives members of a generation their exchange, and aborts it.</summary>
public interface IExchangeProvider
{
    /// <summary>Enters a generation, and leaves those of the same stage before it.</summary>
    /// <exception cref="OperationCanceledException">The stage was aborted meanwhile.</exception>
    /// <exception cref="ExchangeBrokenException">A member could not be reached.</exception>
    IStepExchange Join(ExchangeGeneration generation);

    /// <summary>
    /// Generations of the stage up to this one are over: members of this process that wait in one stop with
    /// <see cref="OperationCanceledException"/>, and so do members that join one later.
    /// </summary>
    void Abort(string stage, int generation);
}
