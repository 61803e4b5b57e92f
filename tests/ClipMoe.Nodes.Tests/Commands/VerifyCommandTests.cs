
namespace ClipMoe.Nodes.Tests.Commands;

/// <summary><c>clipmoe verify</c> against outputs that the reference stored.</summary>
[Trait("Category", "Parity")]
public sealed class VerifyCommandTests
{
    [FixtureFact("dense_openai_fp16_torchscript.pt", "dense_io.safetensors")]
    public void A_dense_checkpoint_is_stretched_and_agrees()
    {
        var outcome = Cli.Run("verify", Fixtures.Path("dense_openai_fp16_torchscript.pt"), Fixtures.Path("dense_io.safetensors"));
        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        Assert.Equal(["image_features", "text_features"], Names(outcome.Output));
    }

    public static TheoryData<string> MoeCases() => [.. Fixtures.MoeCases().Select(c => c.Name)];

    [FixtureTheory(MoeCase.ConfigFile, MoeCase.InputsFile)]
    [MemberData(nameof(MoeCases))]
    public void A_mixture_agrees_in_features_and_router_logits_and_a_tighter_tolerance_fails(string name)
    {
        string[] arguments = ["verify", Fixtures.Path($"{name}.pt"), Fixtures.Path($"{name}_io.safetensors"), "--inputs",
            Fixtures.Path(MoeCase.InputsFile)];
        var outcome = Cli.Run(arguments);
        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        Assert.Equal(["image_features", "image_router_logits", "text_features", "text_router_logits"], Names(outcome.Output)
            .Except(["top_k"]));
        Assert.Equal(1, Cli.Run([.. arguments, "--tolerance", "1e-9"]).ExitCode);
    }

    [FixtureFact("moe_dense_0.pt", MoeCase.ConfigFile, MoeCase.InputsFile)]
    public void Outputs_without_inputs_or_of_another_kind_of_model_are_refused_in_one_sentence()
    {
        var (checkpoint, io) = (Fixtures.Path("moe_dense_0.pt"), Fixtures.MoeCases()[0].Outputs);
        var withoutInputs = Cli.Run("verify", checkpoint, io);
        Assert.Equal(2, withoutInputs.ExitCode);
        Assert.Contains("holds no tensor \"images\"", withoutInputs.Error);
        var withoutRouters = Cli.Run("verify", checkpoint, io, "--inputs", Fixtures.Path(MoeCase.InputsFile));
        Assert.Equal(2, withoutRouters.ExitCode);
        Assert.Contains("has no routers", withoutRouters.Error);
    }

    private static IEnumerable<string> Names(string output) =>
        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[0]).Order();
}
