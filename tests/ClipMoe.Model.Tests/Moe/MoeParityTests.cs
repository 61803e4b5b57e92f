using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Moe;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tests.Clip;

namespace ClipMoe.Model.Tests.Moe;

[Collection(TorchCollection.Name)]
[Trait("Category", "Parity")]
public sealed class MoeParityTests
{
    public static TheoryData<string> Cases()
    {
        var cases = new TheoryData<string>();
        using var json = Config();
        foreach (var one in json.RootElement.GetProperty("cases").EnumerateObject())
        {
            if (!Fixtures.IsSmallCopy || File.Exists(Fixtures.Path($"{one.Name}.pt"))) cases.Add(one.Name);
        }

        return cases;
    }

    [FixtureTheory("moe_config.json", "moe_inputs.safetensors")]
    [MemberData(nameof(Cases))]
    public void Features_router_logits_and_balance_losses_equal_the_references(string name)
    {
        using var json = Config();
        var expected = json.RootElement.GetProperty("cases").GetProperty(name);
        using var inputs = TensorFile.Open(Fixtures.Path("moe_inputs.safetensors"));
        using var io = TensorFile.Open(Fixtures.Path($"{name}_io.safetensors"));
        using var replica = Models.Load($"{name}.pt", topK: expected.GetProperty("top_k").GetInt32());
        var rows = (int)inputs.Get("images").Shape[0];
        var images = PixelBatch.OfNormalised(inputs.ReadFloats("images"));
        var tokens = Models.Tokens(inputs, "tokens");
        var encoder = new Encoder(replica, normalise: false);

        Close.Within(1e-5, io.ReadFloats("image_features"), encoder.EncodeImages(images, rows).Features, "image_features");
        Close.Within(1e-5, io.ReadFloats("text_features"), encoder.EncodeTexts(tokens, rows).Features, "text_features");
        var (imageLogits, textLogits) = (encoder.ImageRouterLogits(images, rows), encoder.TextRouterLogits(tokens, rows));
        Close.Within(3e-5, io.ReadFloats("image_router_logits"), imageLogits, "image_router_logits");
        Close.Within(3e-5, io.ReadFloats("text_router_logits"), textLogits, "text_router_logits");
        var moe = replica.Layout.Config.Moe!;
        Close.Within(5e-5, expected.GetProperty("image_load_balancing").GetDouble(), Balance(imageLogits, moe), "image_load_balancing");
        Close.Within(5e-5, expected.GetProperty("text_load_balancing").GetDouble(), Balance(textLogits, moe), "text_load_balancing");
        Assert.Equal(expected.GetProperty("keys").EnumerateObject().Select(k => k.Name).Order(), replica.Layout.Slots.Select(s => s.Name).Order());
    }

    [FixtureTheory("moe_config.json", "moe_dense_1.pt")]
    [MemberData(nameof(Cases))]
    public void Assembly_from_dense_checkpoints_equals_the_references(string name)
    {
        using var expected = Models.Load($"{name}.pt");
        var dense = Fixtures.Matching("moe_dense_*.pt").Select(path => Models.Load(Path.GetFileName(path))).ToList();
        using var actual = Models.New(expected.Layout.Config, Locking.Everything);

        if (name.Contains("upcycle")) MoeAssembly.Upcycle(actual, dense.Single(d => IsSourceOf(d, expected)), new GateInitialisation(1));
        else MoeAssembly.FromDense(actual, dense[0], [.. dense], new GateInitialisation(1));

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
        var encoder = new Encoder(replica, normalise: false);

        Close.Within(1e-5, inputs.ReadFloats("dense0_image_features"),
            encoder.EncodeImages(PixelBatch.OfNormalised(inputs.ReadFloats("images")), rows).Features, "image features");
        Close.Within(1e-5, inputs.ReadFloats("dense0_text_features"),
            encoder.EncodeTexts(Models.Tokens(inputs, "tokens"), rows).Features, "text features");
    }

    private static JsonDocument Config() => JsonDocument.Parse(File.ReadAllBytes(Fixtures.Path("moe_config.json")));

    private static bool IsSourceOf(Replica dense, Replica moe)
    {
        var last = dense.Layout.Config.Vision.Layers - 1;
        return Models.Read(dense, $"visual.transformer.resblocks.{last}.mlp.c_fc.weight").AsSpan()
            .SequenceEqual(Models.Read(moe, $"visual.transformer.resblocks.{last}.experts.0.c_fc.weight"));
    }

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
