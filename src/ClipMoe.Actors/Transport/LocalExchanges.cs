using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Transport;

/// <summary>Exchanges between workers in one process: they read each other's memory.</summary>
public sealed class LocalExchanges : IExchangeProvider
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Stage, int Generation), LocalGeneration> _generations = [];
    private readonly Dictionary<string, int> _over = [];

    public IStepExchange Join(ExchangeGeneration generation)
    {
        var key = (generation.Stage, generation.Number);
        lock (_gate)
        {
            if (_over.TryGetValue(generation.Stage, out var over) && generation.Number <= over)
                throw new OperationCanceledException($"{generation} is over");
            if (!_generations.TryGetValue(key, out var members)) _generations.Add(key, members = new LocalGeneration(generation.World));
            return new Member(members, generation.Rank);
        }
    }

    public void Abort(string stage, int generation)
    {
        List<LocalGeneration> aborted = [];
        lock (_gate)
        {
            _over[stage] = Math.Max(generation, _over.GetValueOrDefault(stage, -1));
            foreach (var key in _generations.Keys.Where(k => k.Stage == stage && k.Generation <= generation).ToList())
                if (_generations.Remove(key, out var members))
                    aborted.Add(members);
        }
        aborted.ForEach(m => m.Aborted.Cancel());
    }

    private sealed record Contribution(IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> Subtrees);

    private sealed record FinishedSlice(ReadOnlyMemory<float> Sum, ulong[] Checksums);

    /// <summary>What the members of a generation share.</summary>
    private sealed class LocalGeneration
    {
        public readonly CancellationTokenSource Aborted = new();
        public readonly Barrier<IReadOnlyList<MicroBatchFeatures>> Features;
        public readonly Barrier<IReadOnlyList<LossBlock>> LossBlocks;
        public readonly Barrier<Contribution> Gradients;
        public readonly Barrier<FinishedSlice> Slices;
        public readonly Barrier<bool> Copied;

        public LocalGeneration(int world)
        {
            World = world;
            Features = new(world, Aborted.Token);
            LossBlocks = new(world, Aborted.Token);
            Gradients = new(world, Aborted.Token);
            Slices = new(world, Aborted.Token);
            Copied = new(world, Aborted.Token);
        }

        public int World { get; }
    }

    private sealed class Member(LocalGeneration members, int rank) : IStepExchange
    {
        public IReadOnlyList<MicroBatchFeatures> Gather(IReadOnlyList<MicroBatchFeatures> mine) =>
            [.. members.Features.SignalAndWait(rank, mine).SelectMany(f => f)];

        public IReadOnlyList<LossBlock> Gather(IReadOnlyList<LossBlock> mine) =>
            [.. members.LossBlocks.SignalAndWait(rank, mine).SelectMany(b => b)];

        public ISumInProgress BeginReduce(
            ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum,
            GradientRange part) =>
            new SumOnCompletion((gradients, into) => Reduce(tree, gradients, into), mine, sum, part);

        /// <summary>Each member finishes the tree for its slice, then copies the slices of the others.</summary>
        private UInt128 Reduce(ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum)
        {
            var subtrees = members.Gradients.SignalAndWait(rank, new Contribution(mine)).SelectMany(c => c.Subtrees).ToList();
            var chunks = new GradientChunks(sum.Length, members.World);
            var (first, length) = Slice(chunks, rank);
            var slice = sum.Slice(first, length);
            tree.Combine([.. subtrees.Select(s => (s.Node, s.Gradient.Slice(first, length)))], slice.Span);

            var slices = members.Slices.SignalAndWait(rank, new FinishedSlice(slice, Checksums(chunks, rank, sum.Span)));
            for (var other = 0; other < slices.Length; other++)
                if (other != rank)
                    slices[other].Sum.Span.CopyTo(sum.Span[Slice(chunks, other).First..]);
            members.Copied.SignalAndWait(rank, true);
            return GradientChunks.Hash([.. slices.SelectMany(s => s.Checksums)]);
        }

        private static (int First, int Length) Slice(GradientChunks chunks, int rank)
        {
            var (first, end) = chunks.OwnedBy(rank);
            var start = Math.Min(chunks.Length, first * GradientChunks.Size);
            return (start, Math.Min(chunks.Length, end * GradientChunks.Size) - start);
        }

        private static ulong[] Checksums(GradientChunks chunks, int rank, ReadOnlySpan<float> sum)
        {
            var (first, end) = chunks.OwnedBy(rank);
            var checksums = new ulong[end - first];
            for (var chunk = first; chunk < end; chunk++)
            {
                var (start, length) = chunks[chunk];
                checksums[chunk - first] = GradientChunks.Checksum(sum.Slice(start, length));
            }
            return checksums;
        }
    }
}
