using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Native;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>Forward and backward pass of one leaf.</summary>
internal sealed class MicroBatchPass : IDisposable
{
    private static readonly Metric Cosine = new("features/image_text_cosine", MetricKind.Sum, Headline: true);

    private readonly Replica _replica;
    private readonly StepSettings _settings;
    private readonly StepClock _clock;
    private readonly TowerPass _image, _text;
    private readonly TowerPass? _short;
    private MicroBatchLoss? _loss, _shortLoss;
    private readonly IReadOnlyList<RouterLoss> _routerLosses;
    private double[] _textRouters = [], _shortRouters = [];

    public MicroBatchPass(Replica replica, StepSettings settings, int step, MicroBatch microBatch, StepClock clock)
    {
        (_replica, _settings, _clock, Leaf, Rows) = (replica, settings, clock, microBatch.Leaf, microBatch.Rows);
        var moe = replica.Layout.Config.Moe;
        _routerLosses = moe is null ? [] : settings.RouterLosses();
        var key = RandomKey.FromSeed(settings.Seed).Derive(step).Derive(microBatch.Leaf);
        using var dropout = settings.ExpertDropout == 0 ? null : new Dropout(settings.ExpertDropout, key, replica.Device);
        using (clock.Enter(StepPhase.ImageTower))
            _image = TowerPass.Run(NewRouting(), null, routing => Towers.Image(replica, microBatch.Images, microBatch.Rows, routing));
        _text = Text(microBatch.Tokens);
        _short = microBatch.ShortTokens is null ? null : Text(microBatch.ShortTokens);

        Routing? NewRouting() => moe is null ? null : new Routing(Routers.Create(moe, _routerLosses), dropout);

        TowerPass Text(int[] tokens)
        {
            using var phase = clock.Enter(StepPhase.TextTower);
            var keepPadding = moe is not null && settings.RouterLossTokens == RouterLossTokens.All;
            var batch = TokenBatch.Create(microBatch.Rows, tokens, replica.Layout.Config.ContextLength, keepPadding);
            return TowerPass.Run(NewRouting(), keepPadding ? null : batch.ValidTokens(), routing => Towers.Text(replica, batch, routing));
        }
    }

    /// <summary>Of the losses of the text tower's routers, long and short captions each; as in the reference.</summary>
    private const double TextFactor = 0.5;

    private int Leaf { get; }
    private int Rows { get; }

    public MicroBatchFeatures Publish()
    {
        var moe = _replica.Layout.Config.Moe;
        var loads = moe is null ? null : new MicroBatchLoads(_image.Load(moe.Experts)!, _text.Load(moe.Experts)!,
            _short?.Load(moe.Experts));
        return new MicroBatchFeatures(Leaf, Rows, HostTensor.Read(_image.Features_nC), HostTensor.Read(_text.Features_nC),
            _short is null ? null : HostTensor.Read(_short.Features_nC), loads);
    }

    /// <summary>Begins this leaf's part in the losses between images and captions, and short captions where there are any.</summary>
    /// <param name="first">Row of the leaf's first sample in the global batch.</param>
    public void Begin(ContrastiveObjective captions, ContrastiveObjective? shortCaptions, int first)
    {
        _loss = captions.Begin(_image.Features_nC.detach(), _text.Features_nC.detach(), first);
        _shortLoss = _short is null ? null : shortCaptions!.Begin(_image.Features_nC.detach(), _short.Features_nC.detach(), first);
    }

    /// <summary>What this leaf publishes in a round: the block of the captions' loss, then that of the short captions'.</summary>
    public LossBlock Publish(int round) => new(Leaf, [.. _loss!.Publish(round), .. _shortLoss?.Publish(round) ?? []]);

    /// <summary>From the text features and the routers' probabilities into the text tower's part of the replica's leaf gradient.</summary>
    /// <param name="group">Load of the tokens that share one balance loss.</param>
    public void BackwardText(MicroBatchLoads? group)
    {
        using var phase = _clock.Enter(StepPhase.Loss);
        var roots = new List<(Tensor Root, Tensor Gradient)>();
        using var noGrad = no_grad();
        if (_short is not null) roots.Add((_short.Features_nC, _shortLoss!.TextGradient(_settings.ShortTextWeight)));
        roots.Add((_text.Features_nC, _loss!.TextGradient(1)));
        if (group is not null)
        {
            _textRouters = _text.RouterLosses(group.Text, _settings.ReferenceWorld, TextFactor, roots);
            if (_short is not null) _shortRouters = _short.RouterLosses(group.ShortText!, _settings.ReferenceWorld, TextFactor, roots);
        }

        Backward(roots, StepPhase.TextTower);
    }

    /// <summary>The same for the image tower, and the loss's learned numbers; after <see cref="BackwardText"/>.</summary>
    public MetricBag BackwardImages(MicroBatchLoads? group)
    {
        using var phase = _clock.Enter(StepPhase.Loss);
        var roots = new List<(Tensor Root, Tensor Gradient)>();
        using var noGrad = no_grad();
        var learnsLogits = _replica.Layout.Trainable.LearnLogits;
        var (image_nC, logits) = _loss!.ImageGradient(1, learnsLogits);
        var contrastive = _loss.Share();
        var contrastiveShort = 0.0;
        if (_shortLoss is not null)
        {
            var (imageShort_nC, logitsShort) = _shortLoss.ImageGradient(_settings.ShortTextWeight, learnsLogits);
            image_nC.PlusInPlace(imageShort_nC);
            logits = [.. logits.Zip(logitsShort, (a, b) => a + b)];
            contrastiveShort = _shortLoss.Share();
        }

        roots.Add((_image.Features_nC, image_nC));
        var imageRouters = group is null ? [] : _image.RouterLosses(group.Image, _settings.ReferenceWorld, 1, roots);
        Backward(roots, StepPhase.ImageTower);
        AddToLogitParameters(logits);
        var total = contrastive + _settings.ShortTextWeight * contrastiveShort;
        for (var i = 0; i < imageRouters.Length; i++)
            total += _routerLosses[i].Weight * (imageRouters[i] + (_textRouters[i] + (_short is null ? 0 : _shortRouters[i])) * TextFactor);

        var losses = new MetricBag { { StepLoss.Total, total }, { StepLoss.Contrastive, contrastive } };
        if (_short is not null) losses.Add(StepLoss.ContrastiveShort, contrastiveShort);
        for (var i = 0; i < imageRouters.Length; i++)
        {
            var name = _routerLosses[i].Name;
            losses.Add(StepLoss.Router(name, RouterMetrics.ImagePass), imageRouters[i]);
            losses.Add(StepLoss.Router(name, RouterMetrics.TextPass), _textRouters[i]);
            if (_short is not null) losses.Add(StepLoss.Router(name, RouterMetrics.ShortTextPass), _shortRouters[i]);
        }

        return losses;
    }

    /// <summary>The leaf's shares in what is measured of the whole batch.</summary>
    /// <param name="rows">Samples of the batch.</param>
    /// <param name="all">Its routers' load; null for a dense model.</param>
    public void Measure(MetricBag bag, int rows, MicroBatchLoads? all)
    {
        bag.Add(Cosine, PairedCosines() / rows);
        if (all is null) return;
        var routers = RouterMetrics.Of(_replica.Layout.Config);
        routers.Image.AddEntropy(bag, _image, all.Image.Tokens);
        routers.Text.AddEntropy(bag, _text, all.Text.Tokens);
        if (_short is not null) routers.ShortText.AddEntropy(bag, _short, all.ShortText!.Tokens);
    }

    public void Dispose()
    {
        foreach (var owned in (IDisposable?[])[_image, _text, _short, _loss, _shortLoss]) owned?.Dispose();
    }

    private void Backward(List<(Tensor Root, Tensor Gradient)> roots, StepPhase tower)
    {
        using var phase = _clock.Enter(tower);
        roots.RemoveAll(r => !r.Root.requires_grad);
        if (roots.Count > 0) autograd.backward([.. roots.Select(r => r.Root)], [.. roots.Select(r => r.Gradient)]);
    }

    /// <summary>Sum over the samples.</summary>
    private double PairedCosines()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        return (_image.Features_nC * _text.Features_nC).sum().item<float>();
    }

    private void AddToLogitParameters(double[] derivatives)
    {
        using var scope = NewDisposeScope();
        var layout = _replica.Layout;
        foreach (var (parameter, derivative) in layout.Config.Loss.LogitParameters().Zip(derivatives))
            _replica.MicroBatchGradient!.Tensor.narrow(0, layout[parameter.Name].Offset, 1).PlusInPlace(derivative);
    }
}
