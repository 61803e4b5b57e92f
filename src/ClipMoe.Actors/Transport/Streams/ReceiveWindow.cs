namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// Buffers for the chunks of the own slice that peers have sent but that aren't summed yet: a ring of slots, so that memory stays bounded
/// however far one peer is ahead of another. It is kept from one reduction to the next.
/// </summary>
internal sealed class ReceiveWindow(int world)
{
    /// <summary>Chunks that may be on their way at once.</summary>
    public const int Slots = 4;

    private readonly Slot[] _slots = [.. Enumerable.Range(0, Slots).Select(_ => new Slot(world))];

    public Slot this[int chunk] => _slots[chunk % Slots];

    /// <summary>One chunk's gradients, of all members.</summary>
    internal sealed class Slot(int world)
    {
        private readonly float[][] _buffers = [.. Enumerable.Repeat<float[]>([], world)];

        /// <summary>Room for a chunk of a member's subtree.</summary>
        /// <param name="parts">Subtrees of that member.</param>
        public Memory<float> this[int rank, int part, int parts]
        {
            get
            {
                if (_buffers[rank].Length < parts * GradientChunks.Size)
                    _buffers[rank] = GC.AllocateUninitializedArray<float>(parts * GradientChunks.Size, pinned: true);
                return _buffers[rank].AsMemory(part * GradientChunks.Size, GradientChunks.Size);
            }
        }
    }
}
