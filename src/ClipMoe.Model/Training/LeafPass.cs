using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Native;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>Log-normalisers of the whole batch, [N] each.</summary>
internal sealed record Normalisers(Tensor Image_N, Tensor Text_N, Tensor? ImageShort_N, Tensor? ShortText_N) : IDisposable
{
    public void Dispose()
    {
        foreach (var owned in (Tensor?[])[Image_N, Text_N, ImageShort_N, ShortText_N]) owned?.Dispose();
    }
}

/// <summary>Forward and backward pass of one leaf.</summary>
internal sealed class LeafPass : IDisposable
{
    private readonly Replica _replica;
    private readonly StepSettings _settings;
    private readonly TowerPass _image, _text;
    private readonly TowerPass? _short;
    private ContrastiveLoss? _imageLoss, _textLoss, _imageShortLoss, _shortLoss;
    private double _textBalance, _shortBalance;

    public LeafPass(Replica replica, StepSettings settings, int step, MicroShard shard)
    {
        (_replica, _settings, Leaf, Rows) = (replica, settings, shard.Leaf, shard.Rows);
        var moe = replica.Layout.Config.Moe;
        var key = RandomKey.FromSeed(settings.Seed).Derive(step).Derive(shard.Leaf);
        using var dropout = settings.ExpertDropout == 0 ? null : new Dropout(settings.ExpertDropout, key, replica.Device);
        _image = TowerPass.Run(NewRouting(), null, routing => Towers.Image(replica, shard.Images, shard.Rows, routing));
        _text = Text(shard.Tokens);
        _short = shard.ShortTokens is null ? null : Text(shard.ShortTokens);

        Routing? NewRouting() => moe is null ? null : new Routing(moe.TopK, dropout);

        TowerPass Text(int[] tokens)
        {
            var keepPadding = moe is not null && settings.RouterLossTokens == RouterLossTokens.All;
            var batch = TokenBatch.Create(shard.Rows, tokens, replica.Layout.Config.ContextLength, keepPadding);
            return TowerPass.Run(NewRouting(), keepPadding ? null : batch.ValidTokens(), routing => Towers.Text(replica, batch, routing));
        }
    }

    private int Leaf { get; }
    private int Rows { get; }

    public LeafFeatures Publish()
    {
        var moe = _replica.Layout.Config.Moe;
        var loads = moe is null ? null : new LeafLoads(_image.Load(moe.Experts)!, _text.Load(moe.Experts)!, _short?.Load(moe.Experts));
        return new LeafFeatures(Leaf, Rows, HostTensor.Read(_image.Features_nC), HostTensor.Read(_text.Features_nC),
            _short is null ? null : HostTensor.Read(_short.Features_nC), loads);
    }

    public LeafNormalisers Normalise(Tensor image_NC, Tensor text_NC, Tensor? short_NC, int firstRow, double scale)
    {
        _imageLoss = Loss(_image, text_NC);
        _textLoss = Loss(_text, image_NC);
        if (_short is not null) (_imageShortLoss, _shortLoss) = (Loss(_image, short_NC!), Loss(_short, image_NC));
        return new LeafNormalisers(Leaf, Read(_imageLoss)!, Read(_textLoss)!, Read(_imageShortLoss), Read(_shortLoss));

        ContrastiveLoss Loss(TowerPass mine, Tensor others_NC) =>
            new(mine.Features_nC.detach(), others_NC, firstRow, scale, _settings.LabelSmoothing);

        static float[]? Read(ContrastiveLoss? loss) => loss is null ? null : HostTensor.Read(loss.LogNormalisers_n);
    }

    /// <summary>From the text features and the routers' probabilities into the text tower's part of the replica's leaf gradient.</summary>
    /// <param name="group">Load of the tokens that share one balance loss.</param>
    public void BackwardText(Normalisers all, LeafLoads? group)
    {
        var roots = new List<(Tensor Root, Tensor Gradient)>();
        using var noGrad = no_grad();
        if (_short is not null)
            roots.Add((_short.Features_nC, _shortLoss!.Gradient(all.ImageShort_N!, _settings.ShortTextWeight, withLogitScale: false).Features_nC));
        roots.Add((_text.Features_nC, _textLoss!.Gradient(all.Image_N, 1, withLogitScale: false).Features_nC));
        if (group is not null)
        {
            _textBalance = _text.Balance(group.Text, PerRank, _settings.RouterLossWeight / 2, roots);
            if (_short is not null) _shortBalance = _short.Balance(group.ShortText!, PerRank, _settings.RouterLossWeight / 2, roots);
        }

        Backward(roots);
    }

    /// <summary>The same for the image tower, and the logit scale; after <see cref="BackwardText"/>.</summary>
    public StepLoss BackwardImages(Normalisers all, LeafLoads? group)
    {
        var roots = new List<(Tensor Root, Tensor Gradient)>();
        using var noGrad = no_grad();
        var learnsScale = _replica.Layout.Trainable.LearnTemperature;
        var (image_nC, scale1) = _imageLoss!.Gradient(all.Text_N, 1, learnsScale);
        var contrastive = (_imageLoss.RowLosses() + _textLoss!.RowLosses()) / (2.0 * all.Image_N.shape[0]);
        var (contrastiveShort, scale2) = (0.0, 0.0);
        if (_short is not null)
        {
            (var imageShort_nC, scale2) = _imageShortLoss!.Gradient(all.ShortText_N!, _settings.ShortTextWeight, learnsScale);
            image_nC.PlusInPlace(imageShort_nC);
            contrastiveShort = (_imageShortLoss.RowLosses() + _shortLoss!.RowLosses()) / (2.0 * all.Image_N.shape[0]);
        }

        roots.Add((_image.Features_nC, image_nC));
        var imageBalance = group is null ? 0 : _image.Balance(group.Image, PerRank, _settings.RouterLossWeight, roots);
        Backward(roots);
        if (learnsScale) AddToLogitScale(scale1 + scale2);
        var total = contrastive + _settings.ShortTextWeight * contrastiveShort
            + _settings.RouterLossWeight * (imageBalance + (_textBalance + _shortBalance) / 2);
        return new StepLoss(total, contrastive, contrastiveShort, imageBalance, _textBalance, _shortBalance);
    }

    public void Dispose()
    {
        foreach (var owned in (IDisposable?[])[_image, _text, _short, _imageLoss, _textLoss, _imageShortLoss, _shortLoss]) owned?.Dispose();
    }

    /// <summary>Factor of a group's balance loss in the mean over the reference's ranks.</summary>
    private double PerRank => 1.0 / ((double)_settings.ReferenceWorld * _settings.ReferenceWorld);

    private static void Backward(List<(Tensor Root, Tensor Gradient)> roots)
    {
        roots.RemoveAll(r => !r.Root.requires_grad);
        if (roots.Count > 0) autograd.backward([.. roots.Select(r => r.Root)], [.. roots.Select(r => r.Gradient)]);
    }

    private void AddToLogitScale(double derivative)
    {
        using var scope = NewDisposeScope();
        _replica.LeafGradient!.Tensor.narrow(0, _replica.Layout[ParameterNames.LogitScale].Offset, 1).PlusInPlace(derivative);
    }
}
