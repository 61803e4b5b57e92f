using ClipMoe.Model.Architecture;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Training;

public sealed class StepOperationsTests
{
    private static readonly ClipConfig VitB32 = ClipConfig.Named("vit-b-32") with { ContextLength = 248, StretchedPositions = true };

    [Fact]
    public void A_forward_pass_of_ViT_B_32_takes_some_27_GFLOP_a_pair() =>
        Assert.InRange(StepOperations.PerPair(VitB32, TrainableParameters.None, 248) / 1e9, 26.5, 27.5);

    [Fact]
    public void Training_takes_more_the_more_trains_and_shorter_captions_take_less()
    {
        var (none, ffn, all) = (Count(TrainableParameters.None), Count(TrainableParameters.FfnOnly()), Count(TrainableParameters.All));
        Assert.True(2 * none < ffn && ffn < all && all <= 3 * none);
        Assert.True(StepOperations.PerPair(VitB32, TrainableParameters.All, 60) < all / 2);

        static double Count(TrainableParameters locking) => StepOperations.PerPair(VitB32, locking, 248);
    }
}
