namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>Gradients that travel as bfloat16.</summary>
[Trait("Category", "Scenario")]
public sealed class GradientFormatTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task One_worker_and_three_come_to_the_same_weights_and_fp32_to_others()
    {
        await using var cluster = new TestCluster();
        var node = cluster.Start(coordinator: true, workers: 1);
        await cluster.UntilWorkers(1);
        using var alone = cluster.Submit("--set", "batch.gradients=bf16");
        var expected = await alone.End();
        Assert.NotEqual(undisturbed.WeightsSha256, expected);
        cluster.Start(coordinator: false, workers: 2);
        await cluster.UntilWorkers(3);
        using var together = cluster.Submit("--set", "batch.gradients=bf16");
        Assert.True(expected == await together.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(node.Output, "tiny-2");
    }
}
