using ClipMoe.Model.Architecture;

namespace ClipMoe.Model.Parameters;

/// <summary>Which parameters train.</summary>
public enum TrainedParts
{
    /// <summary>Nothing: for encoding only.</summary>
    Nothing,
    /// <summary>Everything.</summary>
    All,
    /// <summary>The dense FFNs (<c>mlp</c>) of both towers: the reference's <c>lock_except_mlp</c>.</summary>
    Ffn,
    /// <summary>The routers (<c>gate</c>): the reference's <c>lock_except_gate</c>.</summary>
    Router,
    /// <summary>Experts and routers: what sparse upcycling needs, since routers over equal experts learn nothing.</summary>
    Experts,
}

/// <summary>
/// What a training stage trains. <see cref="UnlockedGroups"/>: with <see cref="TrainedParts.Ffn"/>, FFNs of vision blocks before this
/// one stay fixed too, as the reference's <c>unlocked_groups</c>. <see cref="LearnLogits"/>: the loss's learned numbers train
/// (<c>logit_scale</c>, with InfoNCE clamped to at most ln 100); otherwise they stay fixed, as in all stages of the reference.
/// </summary>
/// <remarks>
/// <see cref="LockText"/> holds the whole text tower. The reference's <c>lock_text_tower</c> means to, but misses <c>token_embedding</c>
/// (it sets an attribute of the module, not of the weight) and <c>positional_embedding_res</c>.
/// </remarks>
public sealed record TrainableParameters(TrainedParts Trained, int UnlockedGroups = 0, bool LockText = false, bool LearnLogits = false)
{
    /// <summary>Nothing trains: a replica for encoding has no gradient and no moments.</summary>
    public static TrainableParameters None { get; } = new(TrainedParts.Nothing);

    /// <summary>Everything trains.</summary>
    public static TrainableParameters All { get; } = new(TrainedParts.All);

    /// <summary>Everything but the text tower trains.</summary>
    public static TrainableParameters AllButText { get; } = new(TrainedParts.All, LockText: true);

    /// <summary>Only routers train.</summary>
    public static TrainableParameters RouterOnly { get; } = new(TrainedParts.Router);

    /// <summary>Only experts and routers train.</summary>
    public static TrainableParameters ExpertsAndRouters { get; } = new(TrainedParts.Experts);

    /// <summary>Only FFNs train, in the vision tower from block <paramref name="unlockedGroups"/> on.</summary>
    public static TrainableParameters FfnOnly(int unlockedGroups = 0) => new(TrainedParts.Ffn, unlockedGroups);

    /// <summary>Whether the parameter of this state-dict name trains.</summary>
    public bool Trains(string name)
    {
        if (LossKinds.HasLogitParameter(name)) return LearnLogits;
        var vision = name.StartsWith(ParameterNames.Vision, StringComparison.Ordinal);
        if (LockText && !vision) return false;
        return Trained switch
        {
            TrainedParts.Nothing => false,
            TrainedParts.All => true,
            TrainedParts.Router => name.Contains(".gate."),
            TrainedParts.Experts => name.Contains(".gate.") || name.Contains(".experts."),
            _ => name.Contains(".mlp.") && (!vision || ParameterNames.BlockOf(name) >= UnlockedGroups),
        };
    }
}
