using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tests.Clip;
using ClipMoe.Model.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tests.Training;

/// <summary>The gradient computed in phases against autograd through the plain loss of the whole batch.</summary>
[Collection(TorchCollection.Name)]
public sealed class ContrastiveGradientTests
{
    [Theory]
    [InlineData(LossKind.InfoNce, false, 0.1)]
    [InlineData(LossKind.InfoNce, true, 0.1)]
    [InlineData(LossKind.InfoNce, true, 0.0)]
    [InlineData(LossKind.Sigmoid, false, 0.1)]
    [InlineData(LossKind.Sigmoid, true, 0.1)]
    [InlineData(LossKind.Sigmoid, true, 0.1, 40.0, -3.0)]
    public void Gradients_of_all_parameters_equal_autograds_through_the_whole_batch(
        LossKind loss, bool withShort, double smoothing, params double[] scaleAndBias)
    {
        const int rows = 11, leaves = 4;
        using var replica = Models.Seeded(Models.Small with { Loss = loss }, TrainableParameters.All with { LearnLogits = true });
        if (scaleAndBias is [var scale, var bias])
        {
            replica.Write(ParameterNames.LogitScale, [(float)Math.Log(scale)]);
            replica.Write("logit_bias", [(float)bias]);
        }

        var shards = Samples.Leaves(Models.Small, rows, leaves, withShort: withShort);
        var settings = new StepSettings { Leaves = leaves, LabelSmoothing = smoothing, ShortTextWeight = 0.7 };

        var (actual, losses) = LocalWorld.Step(replica, settings, 0, shards);
        var (expected, total) = Autograd(replica, shards, settings);

        Close.Within(1e-5, total, LocalWorld.Total(losses)[StepLoss.Total], "loss");
        foreach (var slot in replica.Layout.Slots)
        {
            var range = ((int)slot.Offset)..(int)(slot.Offset + slot.Count);
            Close.WithinOfLargest(2e-4, expected[range], actual[range], slot.Name);
        }
    }

    private static (float[] Gradient, double Loss) Autograd(Replica replica, List<MicroBatch> shards, StepSettings settings)
    {
        using var scope = NewDisposeScope();
        replica.MicroBatchGradient!.Tensor.zero_();
        var image = Features(s => Towers.Image(replica, s.Images, s.Rows));
        var kind = replica.Layout.Config.Loss;
        var logitParameters = kind.LogitParameters().ToDictionary(
            p => p.Name, p => tensor((float)replica.ReadNumber(p.Name), requires_grad: true));
        var loss = Clip(Text(s => s.Tokens));
        if (shards[0].ShortTokens is not null) loss += settings.ShortTextWeight * Clip(Text(s => s.ShortTokens!));
        loss.backward();
        var gradient = new float[replica.Layout.TrainableLength];
        replica.MicroBatchGradient.Read(0, gradient);
        foreach (var (name, value) in logitParameters) gradient[replica.Layout[name].Offset] = value.grad!.item<float>();
        return (gradient, loss.item<float>());

        Tensor Text(Func<MicroBatch, int[]> tokens) =>
            Features(s => Towers.Text(replica, TokenBatch.Create(s.Rows, tokens(s), replica.Layout.Config.ContextLength)));

        Tensor Features(Func<MicroBatch, Tensor> tower) => nn.functional.normalize(cat([.. shards.Select(tower)]));

        Tensor Clip(Tensor text)
        {
            var logits = logitParameters[ParameterNames.LogitScale].exp() * image.mm(text.t());
            return kind == LossKind.InfoNce ? (Entropy(logits) + Entropy(logits.t())) / 2 : Sigmoid(logits + logitParameters["logit_bias"]);
        }

        Tensor Sigmoid(Tensor logits)
        {
            var signs = 2 * eye(logits.shape[0]) - 1;
            return -nn.functional.logsigmoid(signs * logits).sum() / logits.shape[0];
        }

        Tensor Entropy(Tensor logits)
        {
            var log = logits.log_softmax(1);
            return -((1 - settings.LabelSmoothing) * log.diagonal().mean() + settings.LabelSmoothing * log.mean());
        }
    }
}
