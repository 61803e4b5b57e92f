using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Parameters;

/// <summary>
/// Replicas in checkpoint files: weights under their state-dict names, moments of AdamW under <c>exp_avg/NAME</c> and
/// <c>exp_avg_sq/NAME</c>.
/// </summary>
public static class ReplicaFiles
{
    private const int Chunk = 1 << 20;

    /// <summary>The weights as a file lists them, in the order of the reference's state dict.</summary>
    public static IReadOnlyList<TensorInfo> Weights(ParameterLayout layout, TensorType type = TensorType.F32) =>
        [.. layout.Slots.Select(s => new TensorInfo(s.Name, type, s.Shape))];

    /// <summary>The moments of what trains, as a file lists them.</summary>
    public static IReadOnlyList<TensorInfo> Moments(ParameterLayout layout) =>
        [.. ((string[])["exp_avg/", "exp_avg_sq/"]).SelectMany(kind =>
            layout.Slots.Where(s => s.Trainable).Select(s => new TensorInfo(kind + s.Name, TensorType.F32, s.Shape)))];

    /// <summary>Writes <see cref="Weights"/>.</summary>
    public static void WriteWeights(TensorWriter writer, Replica replica)
    {
        foreach (var slot in replica.Layout.Slots)
            Transfer(slot, slot.Offset, replica.ReadState, values => writer.WriteFloats(slot.Name, values));
    }

    /// <summary>Writes <see cref="Moments"/>.</summary>
    /// <param name="halfway">Done between the first moments and the second.</param>
    public static void WriteMoments(TensorWriter writer, Replica replica, Action? halfway = null)
    {
        Write(FirstMoments(replica.Layout));
        halfway?.Invoke();
        Write(SecondMoments(replica.Layout));

        void Write(IEnumerable<(string Name, ParameterSlot Slot, long At)> moments)
        {
            foreach (var (name, slot, at) in moments) Transfer(slot, at, replica.ReadState, values => writer.WriteFloats(name, values));
        }
    }

    /// <summary>Restores what <see cref="WriteMoments"/> wrote.</summary>
    /// <param name="updates">AdamW updates that the moments are the result of.</param>
    public static void ReadMoments(ITensorFile file, Replica replica, long updates)
    {
        var buffer = new float[Chunk];
        foreach (var (name, slot, at) in FirstMoments(replica.Layout).Concat(SecondMoments(replica.Layout)))
        {
            var found = file.Get(name).Count;
            if (found != slot.Count)
                throw new UserErrorException($"{name} in {file.Path} is of another model: it has {found} elements, not {slot.Count}.");
            for (var done = 0L; done < slot.Count; done += Chunk)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(Chunk, slot.Count - done));
                file.ReadFloats(name, part, done);
                replica.WriteState(at + done, part, updates);
            }
        }
    }

    private static IEnumerable<(string Name, ParameterSlot Slot, long At)> FirstMoments(ParameterLayout layout) =>
        layout.Slots.Where(s => s.Trainable).Select(s => ("exp_avg/" + s.Name, s, layout.Length + s.Offset));

    private static IEnumerable<(string Name, ParameterSlot Slot, long At)> SecondMoments(ParameterLayout layout) =>
        layout.Slots.Where(s => s.Trainable).Select(s => ("exp_avg_sq/" + s.Name, s, layout.Length + layout.TrainableLength + s.Offset));

    private delegate void Reader(long offset, Span<float> destination);

    private delegate void Writer(ReadOnlySpan<float> values);

    private static void Transfer(ParameterSlot slot, long at, Reader read, Writer write)
    {
        var buffer = new float[(int)Math.Min(Chunk, slot.Count)];
        for (var done = 0L; done < slot.Count; done += Chunk)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(Chunk, slot.Count - done));
            read(at + done, part);
            write(part);
        }
    }
}
