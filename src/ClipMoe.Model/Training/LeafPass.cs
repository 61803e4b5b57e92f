using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Moe;
using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Sampling;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>Log-normalisers of the whole batch, [N] each.</summary>
internal sealed record Normalisers(Tensor Image_N, Tensor Text_N, Tensor? ImageShort_N, Tensor? ShortText_N);

/// <summary>Forward and backward pass of one leaf.</summary>
internal sealed class LeafPass : IDisposable
{
    private readonly Replica _replica;
    private readonly StepSettings _settings;
    private readonly TowerPass _image, _text;
    private readonly TowerPass? _short;
    private ContrastiveLoss? _imageLoss, _textLoss, _imageShortLoss, _shortLoss;

    public LeafPass(Replica replica, StepSettings settings, int step, MicroShard shard)
    {
        (_replica, _settings, Leaf, Rows) = (replica, settings, shard.Leaf, shard.Rows);
        var moe = replica.Layout.Config.Moe;
        var key = RandomKey.Of(settings.Seed).Derive(step).Derive(shard.Leaf);
        using var dropout = settings.ExpertDropout == 0 ? null : new Dropout(settings.ExpertDropout, key, replica.Device);
        _image = TowerPass.Run(NewRouting(), null, routing => Towers.Image(replica, shard.Images, shard.Rows, routing));
        _text = Text(shard.Tokens);
        _short = shard.ShortTokens is null ? null : Text(shard.ShortTokens);

        Routing? NewRouting() => moe is null ? null : new Routing(moe.TopK, dropout);

        TowerPass Text(int[] tokens)
        {
            var keepPadding = moe is not null && settings.RouterLossTokens == RouterLossTokens.All;
            var batch = TokenBatch.Of(shard.Rows, tokens, replica.Layout.Config.ContextLength, keepPadding);
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

    /// <summary>One backward pass from the features and the routers' probabilities into the replica's leaf gradient.</summary>
    public StepLoss Backward(Normalisers all, LeafLoads? group)
    {
        var roots = new List<(Tensor Root, Tensor Gradient)>();
        using var noGrad = no_grad();
        var learnsScale = _replica.Layout.Locking.LearnTemperature;
        var (image_nC, scale1) = _imageLoss!.Gradient(all.Text_N, 1, learnsScale);
        var (text_nC, _) = _textLoss!.Gradient(all.Image_N, 1, withLogitScale: false);
        var contrastive = (_imageLoss.RowLosses() + _textLoss.RowLosses()) / (2.0 * all.Image_N.shape[0]);
        var (contrastiveShort, scale2) = (0.0, 0.0);
        if (_short is not null)
        {
            var weight = _settings.ShortTextWeight;
            (var imageShort_nC, scale2) = _imageShortLoss!.Gradient(all.ShortText_N!, weight, learnsScale);
            var (short_nC, _) = _shortLoss!.Gradient(all.ImageShort_N!, weight, withLogitScale: false);
            image_nC.PlusInPlace(imageShort_nC);
            roots.Add((_short.Features_nC, short_nC));
            contrastiveShort = (_imageShortLoss.RowLosses() + _shortLoss.RowLosses()) / (2.0 * all.Image_N.shape[0]);
        }

        roots.Add((_image.Features_nC, image_nC));
        roots.Add((_text.Features_nC, text_nC));
        var balance = Balance(group, roots);
        roots.RemoveAll(r => !r.Root.requires_grad);
        if (roots.Count > 0) autograd.backward([.. roots.Select(r => r.Root)], [.. roots.Select(r => r.Gradient)]);
        if (learnsScale) AddToLogitScale(scale1 + scale2);
        var total = contrastive + _settings.ShortTextWeight * contrastiveShort
            + _settings.RouterLossWeight * (balance.Image + (balance.Text + balance.Short) / 2);
        return new StepLoss(total, contrastive, contrastiveShort, balance.Image, balance.Text, balance.Short);
    }

    public void Dispose()
    {
        foreach (var owned in (IDisposable?[])[_image, _text, _short, _imageLoss, _textLoss, _imageShortLoss, _shortLoss]) owned?.Dispose();
    }

    private (double Image, double Text, double Short) Balance(LeafLoads? group, List<(Tensor, Tensor)> roots)
    {
        if (group is null) return default;
        var perRank = 1.0 / ((double)_settings.ReferenceWorld * _settings.ReferenceWorld);
        var weight = _settings.RouterLossWeight;
        return (_image.Balance(group.Image, perRank, weight, roots), _text.Balance(group.Text, perRank, weight / 2, roots),
            _short?.Balance(group.ShortText!, perRank, weight / 2, roots) ?? 0);
    }

    private void AddToLogitScale(double derivative)
    {
        using var scope = NewDisposeScope();
        _replica.LeafGradient!.Tensor.narrow(0, _replica.Layout[ParameterNames.LogitScale].Offset, 1).PlusInPlace(derivative);
    }
}
