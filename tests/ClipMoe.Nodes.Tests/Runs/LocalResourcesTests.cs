using ClipMoe.Actors.Experiments;
using ClipMoe.Model;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Options;
using ClipMoe.Nodes.Runs;

namespace ClipMoe.Nodes.Tests.Runs;

public sealed class LocalResourcesTests
{
    private static readonly Experiment Tiny = ExperimentFile.Parse("preset: tiny", "test.yaml", "/", []);

    private static readonly ComputeConditions Begun = new("cpu", 3, "fp32");

    [Fact]
    public void ARunGoesOnWithWhatItWasBegunWith()
    {
        var where = LocalResources.Choose(Tiny, new ResourceWishes(null, 2, null), Begun);
        Assert.Equal(("cpu", 3, 2), (where.Device.Name, where.Device.Threads, where.Workers));
    }

    [Fact]
    public void WhatIsAskedForComesFirst() =>
        Assert.Equal(1, LocalResources.Choose(Tiny, new ResourceWishes("cpu", 1, 1), Begun).Device.Threads);

    [Theory]
    [InlineData("foo")]
    [InlineData("cuda:")]
    [InlineData("CPU")]
    public void ADeviceThatIsNoneIsRefusedByName(string device) => Assert.Contains(
        device, Assert.Throws<UserErrorException>(() => LocalResources.Choose(Tiny, new ResourceWishes(device, null, null), null)).Message);

    [Fact]
    public void MoreWorkersThanLeavesAreRefused() =>
        Assert.Throws<UserErrorException>(() => LocalResources.Choose(Tiny, new ResourceWishes("cpu", 99, null), null));
}
