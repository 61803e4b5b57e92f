using ClipMoe.Model.Native;
using static TorchSharp.torch;

namespace ClipMoe.Model.Losses;

// N rows of the global batch, n rows of one leaf, C width of the common space.

/// <summary>
/// One leaf's share of the symmetric InfoNCE loss of the global batch (CLIP, arXiv 2103.00020) with label smoothing, in the two directions
/// image → text and text → image:
/// L = 1/(2N)·[Σᵢ(lseⱼ sᵢⱼ − Σⱼ yᵢⱼ·sᵢⱼ) + Σⱼ(lseᵢ sᵢⱼ − Σᵢ yᵢⱼ·sᵢⱼ)], s = scale·x·zᵀ of normalized features.
/// </summary>
/// <remarks>
/// Everything a leaf needs of others is their features and their rows' log-sum-exps, so no gradient travels between workers. The reference
/// gathers features with their graph and averages the losses of its ranks: the same gradient.
/// </remarks>
internal sealed class ContrastiveLoss : IDisposable
{
    private readonly Tensor _scaled_nN;
    private readonly Tensor _all_NC;
    private readonly double _scale, _smoothing;
    private readonly int _first;

    /// <param name="mine_nC">This leaf's features of one modality, normalized, fp32.</param>
    /// <param name="all_NC">All features of the other modality.</param>
    /// <param name="first">Row of this leaf's first sample in the global batch.</param>
    /// <param name="scale">Factor on cosine similarities: exp(logit_scale).</param>
    /// <param name="smoothing">Part of the target spread evenly over all N.</param>
    public ContrastiveLoss(Tensor mine_nC, Tensor all_NC, int first, double scale, double smoothing)
    {
        using var scope = NewDisposeScope();
        _all_NC = all_NC;
        _scale = scale;
        _smoothing = smoothing;
        _first = first;
        _scaled_nN = mine_nC.mm(all_NC.t()).TimesInPlace(scale).DetachFromDisposeScope();
        LogSumExps_n = _scaled_nN.logsumexp(1).DetachFromDisposeScope();
    }

    /// <summary>Logarithm of each row's softmax denominator, [n].</summary>
    public Tensor LogSumExps_n { get; }

    /// <summary>Σ over this leaf's rows of cross-entropy, before the factor 1/(2N).</summary>
    public double RowLosses()
    {
        using var scope = NewDisposeScope();
        var diagonal_n = _scaled_nN.diagonal(_first);
        var target_n = diagonal_n.Times(1 - _smoothing).Plus(_scaled_nN.mean([1]).Times(_smoothing));
        return (LogSumExps_n - target_n).to(ScalarType.Float64).sum().item<double>();
    }

    /// <summary>
    /// Gradient of the global loss for this leaf's features, [n, C]: scale/(2N)·(P + Q − 2Y)·z, with P the softmax over this leaf's rows
    /// and Q the other direction's, known from its log-sum-exps; and Σ s·∂L/∂s over the leaf's rows, the share of the derivative for
    /// logit_scale.
    /// </summary>
    /// <param name="others_N">Log-sum-exps of the other direction's rows.</param>
    /// <param name="weight">Factor on the loss.</param>
    public (Tensor Features_nC, double LogitScale) Gradient(Tensor others_N, double weight, bool withLogitScale)
    {
        var all = _scaled_nN.shape[1];
        var g_nN = (_scaled_nN - LogSumExps_n.unsqueeze(1)).exp_();
        g_nN.PlusInPlace((_scaled_nN - others_N).exp_()).PlusInPlace(-2 * _smoothing / all);
        g_nN.diagonal(_first).PlusInPlace(-2 * (1 - _smoothing));
        var factor = weight / (2 * all);
        var logitScale = withLogitScale ? factor * (g_nN * _scaled_nN).to(ScalarType.Float64).sum().item<double>() : 0;
        return (g_nN.mm(_all_NC).TimesInPlace(factor * _scale), logitScale);
    }

    public void Dispose()
    {
        _scaled_nN.Dispose();
        LogSumExps_n.Dispose();
    }
}
