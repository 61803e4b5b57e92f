using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Clip;

[Collection(TorchCollection.Name)]
[Trait("Category", "Parity")]
public sealed class DenseParityTests
{
    [FixtureTheory("dense_io.safetensors")]
    [InlineData("dense_openai_fp16.pt")]
    [InlineData("dense_openai_fp16_torchscript.pt")]
    public void Features_of_an_OpenAI_checkpoint_after_the_stretch_equal_the_references(string file)
    {
        using var io = TensorFile.Open(Fixtures.Path("dense_io.safetensors"));
        using var replica = Models.Load(file, stretch: true);
        var encoder = new Encoder(replica, normalize: false);
        var rows = (int)io.Get("images").Shape[0];

        var image = encoder.EncodeImages(PixelBatch.FromStandardized(io.ReadFloats("images")), rows);
        var text = encoder.EncodeTexts(Models.Tokens(io, "tokens"), rows);

        Close.Within(1e-5, io.ReadFloats("image_features"), image.Features, "image_features");
        Close.Within(1e-5, io.ReadFloats("text_features"), text.Features, "text_features");
        Assert.Null(image.Load);
        Assert.Equal(io.ReadFloats("positional_embedding"), Models.Read(replica, "positional_embedding"));
        Assert.Equal(io.ReadFloats("positional_embedding_res"), Models.Read(replica, "positional_embedding_res"));
        Assert.Equal(io.ReadFloats("logit_scale")[0], (float)replica.ReadNumber(ParameterNames.LogitScale));
    }

    [FixtureFact("dense_config.json")]
    public void Parameters_are_named_shaped_and_ordered_as_the_references_state_dict()
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Fixtures.Path("dense_config.json")));
        using var replica = Models.Load("dense_openai_fp16.pt", stretch: true);

        var expected = json.RootElement.GetProperty("loaded_keys").EnumerateObject()
            .Select(key => $"{key.Name} {key.Value[0].GetRawText().Replace("\n", "").Replace(" ", "")}").ToList();

        var actual = replica.Layout.Slots.Select(s => $"{s.Name} [{string.Join(",", s.Shape)}]").ToList();
        Assert.Equal(expected.Order(StringComparer.Ordinal), actual.Order(StringComparer.Ordinal));
    }
}
