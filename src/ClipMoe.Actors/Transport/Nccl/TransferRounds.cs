namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>Which chunks of whose slice are on their way in which round; the same on all members.</summary>
internal readonly record struct TransferRounds(GradientChunks Chunks)
{
    /// <summary>
    /// Chunks of all slices together: 16 MiB in fp32, which bounds what a round takes of host and device for each subtree of each member,
    /// and is enough that the few calls and waits of a round don't count.
    /// </summary>
    private const int ChunksPerRound = 64;

    private int PerOwner => Math.Max(1, ChunksPerRound / Chunks.World);

    public int Count => DivideUp(DivideUp(Chunks.Count, Chunks.World), PerOwner);

    /// <summary>Where a round's piece of a member's slice lies in the gradient; it may be empty.</summary>
    public Piece this[int owner, int round]
    {
        get
        {
            var (first, end) = Chunks.OwnedBy(owner);
            var from = Math.Min(end, first + round * PerOwner);
            var to = Math.Min(end, from + PerOwner);
            var start = Math.Min(Chunks.Length, from * GradientChunks.Size);
            return new Piece(from, start, Math.Min(Chunks.Length, to * GradientChunks.Size) - start);
        }
    }

    private static int DivideUp(int a, int b) => (a + b - 1) / b;

    /// <summary>Consecutive chunks.</summary>
    /// <param name="Start">Floats.</param>
    /// <param name="Length">Floats.</param>
    internal readonly record struct Piece(int FirstChunk, int Start, int Length)
    {
        public Memory<float> Slice(Memory<float> gradient) => gradient.Slice(Start, Length);

        public ReadOnlyMemory<float> Slice(ReadOnlyMemory<float> gradient) => gradient.Slice(Start, Length);
    }
}
