using ClipMoe.Model.Architecture;
using static TorchSharp.torch;

namespace ClipMoe.Model.Parameters;

/// <summary>
/// Leaf tensors over a flat buffer. Those that train have their <c>.grad</c> preset to a view of the flat gradient, so that backward
/// accumulates into it in place.
/// </summary>
internal sealed class ParameterViews : IDisposable
{
    private readonly ParameterLayout _layout;
    private readonly Tensor _values;
    private readonly Tensor? _gradient;
    private readonly List<IDisposable> _owned = [];

    /// <param name="values">[layout.Length] in compute precision.</param>
    /// <param name="gradient">[layout.TrainableLength] of the same type; null when nothing trains.</param>
    public ParameterViews(ParameterLayout layout, Tensor values, Tensor? gradient)
    {
        (_layout, _values, _gradient) = (layout, values, gradient);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Vision = new VisionParameters(
            View("visual.conv1.weight", v => v.flatten(1).t()), View("visual.class_embedding"), View("visual.positional_embedding"),
            LayerNorm("visual.ln_pre"), Blocks("visual.transformer", layout.Config.Vision), LayerNorm("visual.ln_post"),
            View("visual.proj"));
        Text = new TextParameters(
            Embedding("token_embedding.weight"), View("positional_embedding"),
            layout.Config.StretchedPositions ? View("positional_embedding_res") : null,
            Blocks("transformer", layout.Config.Text), LayerNorm("ln_final"), View("text_projection"));
    }

    public VisionParameters Vision { get; }
    public TextParameters Text { get; }

    public void Dispose() => _owned.ForEach(o => o.Dispose());

    private BlockParameters[] Blocks(string transformer, TowerConfig tower)
    {
        var moe = _layout.Config.Moe;
        var firstMoe = tower.Layers - (moe?.LayersOf(tower) ?? 0);
        return [.. Enumerable.Range(0, tower.Layers).Select(i =>
            Block($"{transformer}.resblocks.{i}", tower.Width, i < firstMoe ? 0 : moe!.Experts, isLast: i == tower.Layers - 1))];
    }

    private BlockParameters Block(string name, int width, int experts, bool isLast) => new(
        LayerNorm($"{name}.ln_1"),
        isLast && experts == 0 ? InProj(name, width, 2 * width) : InProj(name, 0, 3 * width),
        isLast && experts == 0 ? InProj(name, 0, width) : null,
        Linear($"{name}.attn.out_proj"),
        LayerNorm($"{name}.ln_2"),
        experts == 0 ? Ffn($"{name}.mlp") : null,
        experts == 0 ? null : View($"{name}.gate.weight", v => v.t()),
        [.. Enumerable.Range(0, experts).Select(e => Ffn($"{name}.experts.{e}"))]);

    private LinearParameters InProj(string name, int from, int count) => new(
        View($"{name}.attn.in_proj_weight", v => v.narrow(0, from, count).t()),
        View($"{name}.attn.in_proj_bias", v => v.narrow(0, from, count)));

    private FfnParameters Ffn(string name) => new(Linear($"{name}.c_fc"), Linear($"{name}.c_proj"));

    private LinearParameters Linear(string name) => new(View($"{name}.weight", v => v.t()), View($"{name}.bias"));

    private LayerNormParameters LayerNorm(string name) =>
        new(View($"{name}.weight"), View($"{name}.bias"), [.. _layout[$"{name}.weight"].Shape]);

    /// <summary>
    /// libtorch's embedding is reachable through the module only; its backward is deterministic on a GPU, index_select's is not.
    /// </summary>
    private TorchSharp.Modules.Embedding Embedding(string name)
    {
        var module = nn.Embedding_from_pretrained(View(name), freeze: !_layout[name].Trainable);
        _owned.Add(module);
        return module;
    }

    private Tensor View(string name, Func<Tensor, Tensor>? reshape = null)
    {
        var slot = _layout[name];
        var view = Shaped(_values);
        if (slot.Trainable)
        {
            view.requires_grad_();
            view.grad = Shaped(_gradient!);
        }

        _owned.Add(view.DetachFromDisposeScope());
        return view;

        Tensor Shaped(Tensor flat)
        {
            var shaped = flat.narrow(0, slot.Offset, slot.Count).view([.. slot.Shape]);
            return reshape is null ? shaped : reshape(shaped);
        }
    }
}
