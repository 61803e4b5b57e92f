using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;

namespace ClipMoe.Model.Parameters;

/// <summary>
/// The gradient summed over the leaves of one node of the reduction tree; valid until the step that made it is disposed.
/// </summary>
public sealed class SubtreeGradient
{
    private readonly float[] _copy;

    internal SubtreeGradient(Subtree node, FlatBuffer buffer)
    {
        Node = node;
        Buffer = buffer;
        _copy = buffer.OnHost ? [] : new float[checked((int)buffer.Length)];
        Values = buffer.OnHost ? buffer.Host : _copy;
    }

    public Subtree Node { get; }

    /// <summary>[trainable length], in the host's memory.</summary>
    public ReadOnlyMemory<float> Values { get; }

    internal FlatBuffer Buffer { get; }

    /// <summary>Brings a part that is finished to the host.</summary>
    internal void Fetch(GradientRange part)
    {
        if (!Buffer.OnHost && part.Length > 0) Buffer.Read(part.Start, _copy.AsSpan(part.Start, part.Length));
    }
}
