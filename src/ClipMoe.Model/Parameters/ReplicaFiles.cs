using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Parameters;

/// <summary>
/// Replicas in checkpoint files: weights under their state-dict names, moments of AdamW under <c>exp_avg/NAME</c> and
/// <c>exp_avg_sq/NAME</c>.
/// </summary>
public static class ReplicaFiles
{
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
            Write(writer, slot.Name, replica, slot, slot.Offset);
    }

    /// <summary>Writes <see cref="Moments"/>.</summary>
    /// <param name="halfway">Done between the first moments and the second.</param>
    public static void WriteMoments(TensorWriter writer, Replica replica, Action? halfway = null)
    {
        foreach (var (name, slot, at) in FirstMoments(replica.Layout)) Write(writer, name, replica, slot, at);
        halfway?.Invoke();
        foreach (var (name, slot, at) in SecondMoments(replica.Layout)) Write(writer, name, replica, slot, at);
    }

    /// <summary>Restores what <see cref="WriteMoments"/> wrote.</summary>
    /// <param name="updates">AdamW updates that the moments are the result of.</param>
    public static void ReadMoments(ITensorFile file, Replica replica, long updates)
    {
        foreach (var (name, slot, at) in FirstMoments(replica.Layout).Concat(SecondMoments(replica.Layout)))
        {
            var found = file.Get(name).Count;
            if (found != slot.Count)
                throw new UserErrorException($"{name} in {file.Path} is of another model: it has {found} elements, not {slot.Count}.");
            BufferedCopy.Run(
                slot.Count, (offset, part) => file.ReadFloats(name, part, offset),
                (offset, part) => replica.WriteState(at + offset, part, updates));
        }
    }

    private static IEnumerable<(string Name, ParameterSlot Slot, long At)> FirstMoments(ParameterLayout layout) =>
        layout.Slots.Where(s => s.Trainable).Select(s => ("exp_avg/" + s.Name, s, layout.Length + s.Offset));

    private static IEnumerable<(string Name, ParameterSlot Slot, long At)> SecondMoments(ParameterLayout layout) =>
        layout.Slots.Where(s => s.Trainable).Select(s => ("exp_avg_sq/" + s.Name, s, layout.Length + layout.TrainableLength + s.Offset));

    /// <param name="at">Where it begins in the replica's state.</param>
    private static void Write(TensorWriter writer, string name, Replica replica, ParameterSlot slot, long at) => BufferedCopy.Run(
        slot.Count, (offset, part) => replica.ReadState(at + offset, part), (_, part) => writer.WriteFloats(name, part));
}
