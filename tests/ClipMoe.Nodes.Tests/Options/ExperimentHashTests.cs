using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Options;

public sealed class ExperimentHashTests
{
    private static readonly string Plain = Hash("mcl: {learning_rate: 5e-3, steps: 250}\nbatch: {leaves: 8, size: 32}");

    [Theory]
    [InlineData("batch: {size: 32, leaves: 8}\nmcl: {learning_rate: 0.005, steps: 250}")]
    [InlineData("mcl:\n  steps: 250 # a comment\n  learning_rate: 5.0e-3\nbatch: {leaves: 8, size: 32}")]
    [InlineData("mcl: {learning_rate: 50E-4, steps: 250}\nbatch: {leaves: 8, size: 32}\npreset: demo")]
    public void OrderCommentsAndWaysOfWritingNumbersDoNotCount(string yaml) => Assert.Equal(Plain, Hash(yaml));

    [Theory]
    [InlineData("name: other")]
    [InlineData("checkpoints: {every_steps: 7, keep: 1}")]
    [InlineData("mcl: {epochs: 3}")]
    [InlineData("logging: {metrics: loss}")]
    [InlineData("batch: {gradients: fp32}")]
    [InlineData("training: {loss: infonce}")]
    [InlineData("router: {z_loss_weight: 0}")]
    public void WhatDoesNotDecideTheWeightsDoesNotCount(string yaml) => Assert.Equal(Hash(""), Hash(yaml));

    [Theory]
    [InlineData("seed: 1")]
    [InlineData("mcl: {learning_rate: 5.001e-3}")]
    [InlineData("batch: {leaves: 3}")]
    [InlineData("batch: {gradients: bf16}")]
    [InlineData("training: {loss: sigmoid}")]
    [InlineData("router: {z_loss_weight: 1e-3}")]
    [InlineData("evaluation: {compare: []}")]
    [InlineData("data: {path: x}")]
    public void WhatDecidesTheWeightsCounts(string yaml) => Assert.NotEqual(Hash(""), Hash(yaml));

    [Fact]
    public void ContentsOfFilesCountInsteadOfTheirPlaces()
    {
        var (here, there) = (Load("data: {path: here}"), Load("data: {path: there}"));

        Assert.Equal(ExperimentHash.Compute(here), ExperimentHash.Compute(there));
        Assert.Equal(ExperimentHash.Compute(here, new(Data: "a")), ExperimentHash.Compute(there, new(Data: "a")));
        Assert.NotEqual(ExperimentHash.Compute(here, new(Data: "a")), ExperimentHash.Compute(here, new(Data: "b")));
    }

    [Fact]
    public void DifferencesAreNamedByTheirKeys()
    {
        var (before, now) = (Load("seed: 1\nmcl: {steps: 120}"), Load("name: other\nseed: 2\nmcl: {steps: 130}"));

        Assert.Equal(["mcl.steps is 130 and was 120", "seed is 2 and was 1"], ExperimentHash.Differences(before, new(), now, new()));
    }

    [Fact]
    public void AnotherFileIsADifferenceAndTheSameOneElsewhereIsNot()
    {
        var (here, there) = (Load("model: {checkpoint: here}\ndata: {vocabulary: v}"),
            Load("model: {checkpoint: there}\ndata: {vocabulary: v}"));
        var (a, b) = (new string('a', 64), new string('b', 64));

        Assert.Equal(["model.checkpoint is another file"], ExperimentHash.Differences(here, new(Checkpoint: a), there, new(Checkpoint: b)));
        Assert.Empty(ExperimentHash.Differences(here, new(Checkpoint: a), there, new(Checkpoint: a)));
        Assert.NotEqual(ExperimentHash.Compute(here, new(Checkpoint: a)), ExperimentHash.Compute(here, new(Checkpoint: b)));
    }

    [Fact]
    public void HashIsSha256InLowerCase() => Assert.Matches("^[0-9a-f]{64}$", Plain);

    private static Experiment Load(string yaml) => ExperimentFile.Parse(yaml, "test.yaml", "/somewhere", []);

    private static string Hash(string yaml) => ExperimentHash.Compute(Load(yaml));
}
