using ClipMoe.Model.Architecture;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Model.Upcycling;

/// <summary>
/// How the gates of a new mixture start: uniform in ±scale/√width; at scale 1 PyTorch's default for a linear layer, and the reference's.
/// </summary>
public sealed record GateInitialization(ulong Seed, double Scale = 1);

/// <summary>A dense CLIP and experts become a CLIP-MoE; nothing is computed, ranges are copied.</summary>
public static class MoeAssembly
{
    /// <summary>
    /// Diversified Multiplet Upcycling (arXiv 2409.19291; the reference's <c>initMoE_MCL</c>): expert e of a block is the FFN of that
    /// block in the e-th dense model; everything else, FFNs of the dense blocks included, is the base's.
    /// </summary>
    /// <param name="moe">A replica of the base's architecture with experts; its weights are replaced.</param>
    /// <param name="base">The dense model that the others were trained from.</param>
    /// <param name="experts">One dense model per expert; usually the base itself is the first.</param>
    public static void FromDense(Replica moe, IParameterSource @base, IReadOnlyList<IParameterSource> experts, GateInitialization gates)
    {
        var config = moe.Layout.Config.Moe ?? throw new ArgumentException("the model to fill has no experts");
        if (experts.Count != config.Experts) throw new ArgumentException($"{config.Experts} experts are needed, not {experts.Count}");
        foreach (var slot in moe.Layout.Slots)
        {
            if (slot.Name.EndsWith(".gate.weight", StringComparison.Ordinal)) Gate(moe, slot, gates);
            else if (ExpertOf(slot.Name) is var (expert, dense) && expert >= 0) moe.Load(slot, experts[expert], dense);
            else moe.Load(slot, @base, slot.Name);
        }

        moe.ForgetOptimizer();
    }

    /// <summary>
    /// Sparse upcycling (arXiv 2212.05055; the reference's <c>initMoE_upcycle</c>): all experts are copies of the base's FFN.
    /// </summary>
    public static void Upcycle(Replica moe, IParameterSource @base, GateInitialization gates) =>
        FromDense(moe, @base, [.. Enumerable.Repeat(@base, moe.Layout.Config.Moe?.Experts ?? 0)], gates);

    /// <summary>The expert that a name belongs to and the name of the dense FFN's tensor; −1 for names outside the experts.</summary>
    private static (int Expert, string Dense) ExpertOf(string name)
    {
        const string marker = ".experts.";
        var at = name.IndexOf(marker, StringComparison.Ordinal);
        if (at < 0) return (-1, name);
        var number = name.AsSpan(at + marker.Length);
        var end = number.IndexOf('.');
        return (int.Parse(number[..end]), $"{name.AsSpan(0, at)}.mlp{number[end..]}");
    }

    private static void Gate(Replica moe, ParameterSlot slot, GateInitialization gates)
    {
        var values = new float[slot.Count];
        ParameterInitialization.Fill(slot.Spec with { Scale = slot.Spec.Scale * gates.Scale }, gates.Seed, values);
        moe.Write(slot.Name, values);
    }
}
