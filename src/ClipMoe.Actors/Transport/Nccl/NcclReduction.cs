using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>
/// The sum of all members' gradients over a transport. In each round every member sends every other one a piece of that member's slice and
/// gets those of its own, adds them along the tree, and sends the sum to all together with the gradients of the next round.
/// </summary>
/// <remarks>
/// The additions are the processor's: there the gradients come from and their sum goes to (<see cref="SubtreeSum"/> has the tree's bits,
/// also of what is no number and in bf16), and the checksums want the bytes there, too. Were gradients and their sum left on the device, a
/// step would save five passes over its bus: the gradients' way down before this, up again, those of the own slice down, its sum up, and
/// the sums of the others down.
/// </remarks>
internal sealed class NcclReduction(INcclTransport transport, int rank, int world)
{
    private readonly TransferRound _round = new(transport);
    private readonly IReadOnlyList<int> _others = [.. Enumerable.Range(0, world).Where(r => r != rank)];
    private float[] _scratch = [];

    /// <param name="nodes">Of all members, in rank order.</param>
    /// <param name="mine">A gradient for each of the own nodes.</param>
    /// <param name="sum">Receives the sum over all leaves.</param>
    /// <returns>The hash of the sum.</returns>
    /// <exception cref="NcclTransportException">The transport failed.</exception>
    public UInt128 Reduce(
        ReductionTree tree, IReadOnlyList<IReadOnlyList<Subtree>> nodes, IReadOnlyList<ReadOnlyMemory<float>> mine, Memory<float> sum)
    {
        var plan = tree.Plan([.. nodes.SelectMany(n => n)]);
        if (_scratch.Length < plan.ScratchLength) _scratch = new float[plan.ScratchLength];
        var rounds = new TransferRounds(new GradientChunks(sum.Length, world));
        var checksums = new ulong[rounds.Chunks.Count];
        for (var round = 0; round <= rounds.Count; round++)
        {
            _round.Begin(tree.Format);
            // Of the gradients first, of the sums then: the order is the same on both sides.
            var parts = round < rounds.Count ? ExchangeGradients(rounds, round, nodes, mine) : [];
            var sums = round > 0 ? ExchangeSums(rounds, round - 1, sum) : [];
            _round.Transfer();
            foreach (var (first, arrived) in sums) arrived.Span.CopyTo(checksums.AsSpan(first));
            if (parts.Length > 0) plan.Sum(parts, rounds[rank, round].Slice(sum).Span, _scratch);
        }

        return GradientChunks.Hash(checksums);
    }

    /// <returns>All members' gradients for this round's piece of the own slice, in the order of the nodes.</returns>
    private ReadOnlyMemory<float>[] ExchangeGradients(
        TransferRounds rounds, int round, IReadOnlyList<IReadOnlyList<Subtree>> nodes, IReadOnlyList<ReadOnlyMemory<float>> mine)
    {
        foreach (var other in _others)
            foreach (var gradient in mine)
                _round.Send(rounds[other, round].Slice(gradient), [other]);

        var own = rounds[rank, round];
        var parts = new List<ReadOnlyMemory<float>>();
        for (var member = 0; member < world; member++)
        {
            for (var part = 0; part < nodes[member].Count; part++)
            {
                if (member == rank)
                {
                    parts.Add(own.Slice(mine[part]));
                    continue;
                }

                var room = _round.Rent(own.Length);
                _round.Receive(member, room);
                parts.Add(room);
            }
        }

        return [.. parts];
    }

    /// <returns>The checksums of all members' sums, and of which chunk the first is.</returns>
    private List<(int FirstChunk, ReadOnlyMemory<ulong> Checksums)> ExchangeSums(TransferRounds rounds, int round, Memory<float> sum)
    {
        var own = rounds[rank, round];
        var sums = new List<(int, ReadOnlyMemory<ulong>)> { (own.FirstChunk, _round.Send(own.Slice(sum), _others)) };
        foreach (var other in _others)
        {
            var piece = rounds[other, round];
            sums.Add((piece.FirstChunk, _round.Receive(other, piece.Slice(sum))));
        }

        return sums;
    }
}
