using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>One leaf through one tower, with its graph: normalised features [n, C] in fp32, and what the routers did.</summary>
internal sealed record TowerPass(Tensor Features_nC, Routing? Routing, bool[]? Counted) : IDisposable
{
    /// <param name="counted">Tokens that the balance loss counts; null for all.</param>
    public static TowerPass Run(Routing? routing, bool[]? counted, Func<Routing?, Tensor> tower)
    {
        using var scope = NewDisposeScope();
        var features_nC = tower(routing).to(ScalarType.Float32);
        return new TowerPass((features_nC / features_nC.norm(1, keepdim: true)).DetachFromDisposeScope(), routing, counted);
    }

    public void Dispose()
    {
        Features_nC.Dispose();
        Routing?.Dispose();
    }

    public RouterLoad? Load(int experts) => Routing?.Load(experts, Counted);

    /// <summary>This pass's share of its group's balance loss, and the gradient of the weighted loss for every block's probabilities.</summary>
    /// <param name="group">Load of the tokens that share one loss.</param>
    /// <param name="perRank">Factor of the group's loss in the mean over groups.</param>
    public double Balance(RouterLoad group, double perRank, double weight, List<(Tensor, Tensor)> roots)
    {
        var slopes_E = RouterBalance.Slopes(group);
        var device = Features_nC.device;
        var slope_E = HostTensor.Create([.. slopes_E.Select(s => (float)(s * perRank * weight))], [slopes_E.Length], device);
        var counted_T1 = Counted is null ? null : HostTensor.Create([.. Counted.Select(c => c ? 1f : 0f)], [Counted.Length, 1], device);
        var sums_E = new double[slopes_E.Length];
        foreach (var p_TE in Routing!.Probabilities_TE)
        {
            var gradient_TE = counted_T1 is null ? slope_E.expand(p_TE.shape) : counted_T1 * slope_E;
            roots.Add((p_TE, gradient_TE));
            var sum_E = HostTensor.Read((counted_T1 is null ? p_TE : p_TE * counted_T1).sum([0L]));
            for (var e = 0; e < sums_E.Length; e++) sums_E[e] += sum_E[e];
        }

        return perRank * RouterBalance.Share(slopes_E, sums_E);
    }
}
