using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tests.Clip;
using ClipMoe.Model.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tests.Training;

/// <summary>
/// The gradient with both losses of the routers against autograd through their definitions, over the whole batch at once.
/// </summary>
[Collection(TorchCollection.Name)]
public sealed class RouterLossGradientTests
{
    private const double BalanceWeight = 0.3, ZWeight = 0.2;

    [Theory]
    [InlineData(RouterLossTokens.Valid, true)]
    [InlineData(RouterLossTokens.Valid, false)]
    [InlineData(RouterLossTokens.All, true)]
    public void Gradients_of_all_parameters_equal_autograds_through_the_whole_batch(RouterLossTokens tokens, bool withShort)
    {
        const int rows = 11, leaves = 4;
        using var replica = Models.Seeded(Models.SmallMoe, TrainableParameters.All);
        var shards = Samples.Leaves(Models.SmallMoe, rows, leaves, withShort: withShort);
        var settings = new StepSettings
        {
            Leaves = leaves,
            LabelSmoothing = 0,
            RouterLossWeight = BalanceWeight,
            RouterZLossWeight = ZWeight,
            RouterLossTokens = tokens,
        };

        var (actual, losses) = LocalWorld.Step(replica, settings, 0, shards);
        var (expected, total) = Autograd(replica, shards, tokens);

        Close.Within(1e-5, total, LocalWorld.Total(losses)[StepLoss.Total], "loss");
        foreach (var slot in replica.Layout.Slots.Where(s => s.Trainable))
        {
            var range = ((int)slot.Offset)..(int)(slot.Offset + slot.Count);
            Close.WithinOfLargest(2e-4, expected[range], actual[range], slot.Name);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Each_loss_of_the_routers_is_measured_by_its_name_without_its_weight(bool withShort)
    {
        using var replica = Models.Seeded(Models.SmallMoe, TrainableParameters.All);
        var shards = Samples.Leaves(Models.SmallMoe, rows: 6, leaves: 3, withShort: withShort);
        var settings = new StepSettings { Leaves = 3, RouterLossWeight = BalanceWeight, RouterZLossWeight = ZWeight };

        var bag = LocalWorld.Total(LocalWorld.Step(replica, settings, 0, shards).Metrics);

        var weighted = BalanceWeight * Together("router_balance") + ZWeight * Together("router_z");
        Assert.Equal(bag[StepLoss.Total], bag[StepLoss.Contrastive] + (bag.Find(StepLoss.ContrastiveShort) ?? 0) + weighted, 1e-12);
        Assert.Equal(withShort, bag.Any(m => m.Key.Name == "loss/router_z/text_short"));
        Assert.All(bag.Where(m => m.Key.Name.StartsWith("loss/")), m => Assert.True(m.Value[0] > 0, m.Key.Name));

        double Together(string loss) => bag[StepLoss.Router(loss, "image")]
            + (bag[StepLoss.Router(loss, "text")] + (bag.Find(StepLoss.Router(loss, "text_short")) ?? 0)) / 2;
    }

    [Fact]
    public void The_z_loss_asks_nothing_of_others_that_the_balance_loss_does_not_publish()
    {
        using var replica = Models.Seeded(Models.SmallMoe, TrainableParameters.All);
        var shards = Samples.Leaves(Models.SmallMoe, 4, 2);
        Assert.Equal(Published(0), Published(ZWeight));

        int Published(double weight)
        {
            using var step = new TrainingStep(replica, new StepSettings { Leaves = 2, RouterZLossWeight = weight }, 0);
            var features = step.Features(shards);
            step.BeginLoss(features);
            return features.Sum(f => f.Image.Length + f.Text.Length + f.Loads!.Image.Counts.Length + f.Loads.Text.Counts.Length)
                + step.Publish().Sum(b => b.Values.Length);
        }
    }

    private static (float[] Gradient, double Loss) Autograd(Replica replica, List<MicroBatch> shards, RouterLossTokens tokens)
    {
        using var scope = NewDisposeScope();
        replica.MicroBatchGradient!.Tensor.zero_();
        var (image, routers) = Tower(s => (null, r => Towers.Image(replica, s.Images, s.Rows, r)));
        var (text, textRouters) = Text(s => s.Tokens);
        var loss = Contrastive(text) + routers + textRouters / 2;
        if (shards[0].ShortTokens is not null)
        {
            var (shortText, shortRouters) = Text(s => s.ShortTokens!);
            loss = loss + Contrastive(shortText) + shortRouters / 2;
        }

        loss.backward();
        var gradient = new float[replica.Layout.TrainableLength];
        replica.MicroBatchGradient.Read(0, gradient);
        return (gradient, loss.item<float>());

        (Tensor Features, Tensor Routers) Text(Func<MicroBatch, int[]> captions) => Tower(s =>
        {
            var all = tokens == RouterLossTokens.All;
            var batch = TokenBatch.Create(s.Rows, captions(s), replica.Layout.Config.ContextLength, keepPadding: all);
            return (all ? null : batch.ValidTokens(), r => Towers.Text(replica, batch, r));
        });

        (Tensor Features, Tensor Routers) Tower(Func<MicroBatch, (bool[]? Counted, Func<Routing, Tensor> Run)> pass)
        {
            var moe = replica.Layout.Config.Moe!;
            var (features, logits, choices) = (new List<Tensor>(), new List<Tensor>(), new List<long>());
            foreach (var (counted, run) in shards.Select(pass))
            {
                var routing = new Routing(Routers.Create(moe, []));
                features.Add(run(routing));
                logits.AddRange(routing.Logits_TE.Select(l => counted is null ? l : l.index_select(0, Rows(counted))));
                choices.AddRange(routing.Choices_TK.SelectMany(c => c.Where((_, i) => counted is null || counted[i / moe.TopK])));
            }

            var x = cat(logits);
            var tokensOfAllBlocks = x.shape[0];
            var chosen = tensor(Enumerable.Range(0, moe.Experts).Select(e => (float)choices.Count(c => c == e))
                .ToArray()) / tokensOfAllBlocks;
            var balance = moe.Experts * (chosen * x.softmax(1).mean([0L])).sum();
            var z = x.logsumexp(1).square().mean();
            return (nn.functional.normalize(cat(features)), BalanceWeight * balance + ZWeight * z);
        }

        static Tensor Rows(bool[] counted) => tensor(Enumerable.Range(0, counted.Length).Where(i => counted[i]).Select(i => (long)i)
            .ToArray());

        Tensor Contrastive(Tensor texts)
        {
            var logits = Math.Exp(replica.ReadNumber(ParameterNames.LogitScale)) * image.mm(texts.t());
            return -(logits.log_softmax(1).diagonal().mean() + logits.t().log_softmax(1).diagonal().mean()) / 2;
        }
    }
}
