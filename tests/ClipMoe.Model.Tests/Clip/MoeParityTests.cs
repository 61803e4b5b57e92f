using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Upcycling;

namespace ClipMoe.Model.Tests.Clip;

[Collection(TorchCollection.Name)]
[Trait("Category", "Parity")]
public sealed class MoeParityTests
{
    public static TheoryData<string> Cases() => [.. Fixtures.MoeCases().Select(c => c.Name)];

    [FixtureTheory(MoeCase.ConfigFile, MoeCase.InputsFile)]
    [MemberData(nameof(Cases))]
    public void Features_router_logits_and_balance_losses_equal_the_references(string name)
    {
        var known = Fixtures.MoeCases().Single(c => c.Name == name);
        using var inputs = TensorFile.Open(Fixtures.Path(MoeCase.InputsFile));
        using var io = TensorFile.Open(known.Outputs);
        using var replica = Models.Load(known.Checkpoint, topK: known.TopK);
        var rows = (int)inputs.Get("images").Shape[0];
        var images = PixelBatch.FromStandardized(inputs.ReadFloats("images"));
        var tokens = Models.Tokens(inputs, "tokens");
        var encoder = new Encoder(replica, normalize: false);

        Close.Within(1e-5, io.ReadFloats("image_features"), encoder.EncodeImages(images, rows).Features, "image_features");
        Close.Within(1e-5, io.ReadFloats("text_features"), encoder.EncodeTexts(tokens, rows).Features, "text_features");
        var (imageLogits, textLogits) = (encoder.ImageRouterLogits(images, rows), encoder.TextRouterLogits(tokens, rows));
        Close.Within(3e-5, io.ReadFloats("image_router_logits"), imageLogits, "image_router_logits");
        Close.Within(3e-5, io.ReadFloats("text_router_logits"), textLogits, "text_router_logits");
        var moe = replica.Layout.Config.Moe!;
        Close.Within(5e-5, known.Expected.GetProperty("image_load_balancing").GetDouble(), Balance(imageLogits, moe),
            "image_load_balancing");
        Close.Within(5e-5, known.Expected.GetProperty("text_load_balancing").GetDouble(), Balance(textLogits, moe), "text_load_balancing");
        Assert.Equal(known.Keys.Select(k => k.Name).Order(), replica.Layout.Slots.Select(s => s.Name).Order());
    }

    [FixtureTheory(MoeCase.ConfigFile, "moe_dense_1.pt")]
    [MemberData(nameof(Cases))]
    public void Assembly_from_dense_checkpoints_equals_the_references(string name)
    {
        using var expected = Models.Load($"{name}.pt");
        var dense = Fixtures.DenseCheckpoints().Select(path => Models.Load(path)).ToList();
        using var actual = Models.New(expected.Layout.Config, TrainableParameters.None);

        if (HasEqualExperts(expected)) MoeAssembly.Upcycle(actual, dense.Single(d => IsSourceOf(d, expected)), new GateInitialization(1));
        else MoeAssembly.FromDense(actual, dense[0], [.. dense], new GateInitialization(1));

        foreach (var slot in expected.Layout.Slots.Where(s => !s.Name.Contains(".gate.")))
            Assert.True(Models.Read(expected, slot.Name).AsSpan().SequenceEqual(Models.Read(actual, slot.Name)), slot.Name);
        dense.ForEach(d => d.Dispose());
    }

    [FixtureFact("moe_inputs.safetensors", "moe_dense_0.pt")]
    public void Dense_features_of_the_first_model_equal_the_references()
    {
        using var inputs = TensorFile.Open(Fixtures.Path("moe_inputs.safetensors"));
        using var replica = Models.Load("moe_dense_0.pt");
        var rows = (int)inputs.Get("images").Shape[0];
        var encoder = new Encoder(replica, normalize: false);

        Close.Within(1e-5, inputs.ReadFloats("dense0_image_features"),
            encoder.EncodeImages(PixelBatch.FromStandardized(inputs.ReadFloats("images")), rows).Features, "image features");
        Close.Within(1e-5, inputs.ReadFloats("dense0_text_features"),
            encoder.EncodeTexts(Models.Tokens(inputs, "tokens"), rows).Features, "text features");
    }

    /// <summary>Upcycling copies one FFN to all experts of a block.</summary>
    private static bool HasEqualExperts(Replica moe) =>
        Enumerable.Range(1, moe.Layout.Config.Moe!.Experts - 1)
        .All(e => LastFfn(moe, $"experts.{e}").SequenceEqual(LastFfn(moe, "experts.0")));

    private static bool IsSourceOf(Replica dense, Replica moe) => LastFfn(dense, "mlp").SequenceEqual(LastFfn(moe, "experts.0"));

    private static float[] LastFfn(Replica model, string part) =>
        Models.Read(model, $"visual.transformer.resblocks.{model.Layout.Config.Vision.Layers - 1}.{part}.c_fc.weight");

    /// <summary>The balance loss from logits alone, by its definition.</summary>
    private static double Balance(float[] logits, MoeConfig moe)
    {
        var tokens = logits.Length / moe.Experts;
        var (counts, probabilities) = (new long[moe.Experts], new double[moe.Experts]);
        foreach (var row in logits.Chunk(moe.Experts))
        {
            var exponentials = row.Select(l => Math.Exp(l)).ToArray();
            for (var e = 0; e < moe.Experts; e++) probabilities[e] += exponentials[e] / exponentials.Sum();
            foreach (var e in Enumerable.Range(0, moe.Experts).OrderByDescending(e => row[e]).Take(moe.TopK)) counts[e]++;
        }

        return RouterBalance.Share(RouterBalance.Slopes(new RouterLoad(1, moe.Experts, counts, tokens)), probabilities);
    }
}
