using ClipMoe.Actors.Transport.Streams;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>
/// A member's exchange of a generation whose gradients go from GPU to GPU. What is small stays with the streams, which also tell when a
/// member dies.
/// </summary>
internal sealed class NcclExchange(StreamExchange streams, INcclTransport transport) : IStepExchange, IDisposable
{
    private readonly NcclReduction _reduction = new(transport, streams.Rank, streams.World);

    public ExchangeGeneration Generation => streams.Generation;

    /// <summary>Told whether a reduction went well; if not, why.</summary>
    public Action<string?> Outcome { private get; init; } = _ => { };

    public IReadOnlyList<MicroBatchFeatures> Gather(IReadOnlyList<MicroBatchFeatures> mine) => streams.Gather(mine);

    public IReadOnlyList<LossBlock> Gather(IReadOnlyList<LossBlock> mine) => streams.Gather(mine);

    public ISumInProgress BeginReduce(
        ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum, GradientRange part)
    {
        StreamExchange.RequireLengths(mine, sum);
        return new SumOnCompletion((gradients, into) => Reduce(tree, gradients, into), mine, sum, part);
    }

    /// <summary>Frees what the transport has on the device; from any thread, once the streams are over.</summary>
    public void Dispose() => transport.Dispose();

    /// <summary>Ends the exchange for all members because of a transport; if it was over before, it ended for another reason.</summary>
    /// <param name="note">Told of a failure that is the transport's.</param>
    public static Exception Broken(StreamExchange streams, NcclTransportException cause, Action<string> note)
    {
        streams.ThrowIfOver();
        note(cause.Message);
        streams.Broke(cause.Peer ?? streams.Rank, cause.Message, cause);
        streams.ThrowIfOver();
        return cause;
    }

    private UInt128 Reduce(ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum)
    {
        // Members that compute slowly are waited for here, so that a round is waited for only as long as its bytes take.
        var nodes = streams.Gather(StepCodec.Encode([.. mine.Select(m => m.Node)]));
        try
        {
            var hash = _reduction.Reduce(tree, [.. nodes.Select(n => StepCodec.DecodeSubtrees(n))], [.. mine.Select(m => m.Gradient)], sum);
            // No member leaves, and takes its communicator away, while bytes are on their way to another.
            streams.Gather(ReadOnlyMemory<byte>.Empty);
            Outcome(null);
            return hash;
        }
        catch (NcclTransportException e)
        {
            throw Broken(streams, e, Outcome);
        }
    }
}
