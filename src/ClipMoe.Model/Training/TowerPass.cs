using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>One leaf through one tower, with its graph: normalized features [n, C] in fp32, and what the routers did.</summary>
internal sealed record TowerPass(Tensor Features_nC, Routing? Routing, bool[]? Counted) : IDisposable
{
    /// <param name="counted">Tokens that routers' losses count; null for all.</param>
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

    /// <summary>This pass's share of each of its routers' losses, and the gradients of the weighted losses.</summary>
    /// <param name="group">Load of the tokens that share one loss.</param>
    /// <param name="groups">Groups of the global batch.</param>
    /// <param name="factor">Of this tower, beside each loss's weight.</param>
    public double[] RouterLosses(RouterLoad group, int groups, double factor, List<(Tensor, Tensor)> roots)
    {
        var device = Features_nC.device;
        var counted_T1 = Counted is null ? null : HostTensor.Create([.. Counted.Select(c => c ? 1f : 0f)], [Counted.Length, 1], device);
        var tokens = new RoutedTokens(Routing!, counted_T1, group, groups);
        return [.. Routing!.Router.Losses.Select(loss => loss.Share(tokens, factor, roots))];
    }
}
