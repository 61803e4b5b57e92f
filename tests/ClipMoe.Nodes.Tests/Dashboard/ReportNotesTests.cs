using ClipMoe.Actors.Reports;

namespace ClipMoe.Nodes.Tests.Dashboard;

public sealed class ReportNotesTests
{
    private static readonly RunReport Plain = SampleReport.Make() with { Comparison = null, Attributes = null, ExpertLoads = [] };

    [Fact]
    public void WhereNothingIsRemarkableNothingIsSaid() => Assert.Empty(ReportNotes.Create(Plain));

    [Fact]
    public void BadSamplesAreMentioned() => Assert.Equal(
        ["3 samples could not be read and took no part: see bad.jsonl."],
        ReportNotes.Create(Plain with { BadSamples = 3, Data = Plain.Data with { BadSamplesFile = "bad.jsonl" } }));

    [Fact]
    public void DivergedLossesAreMentioned()
    {
        var stage = new StageReport("mcl-2", "train", 1) { FinalLoss = double.NaN };

        Assert.Contains("stage mcl-2 diverged", Assert.Single(ReportNotes.Create(Plain with { Stages = [stage] })));
    }

    [Fact]
    public void IdleExpertsAreMentioned() => Assert.Equal(
        ["The routers hardly use expert 1 in block 3 of the text tower, expert 2 in block 3 of the text tower."],
        ReportNotes.Create(Plain with
        {
            ExpertLoads = [new ExpertLoad("moe", "text", 3, [0.5, 0.01, 0.02, 0.47]), new ExpertLoad("moe", "text", 2,
                [0.25, 0.25, 0.25, 0.25])],
        }));

    [Theory]
    [InlineData(22.0, "No MCL stage makes an attribute more readable than the base does: the largest move of a linear probe is +2.0 " +
        "points.")]
    [InlineData(31.0, "Attributes that a stage makes more readable than the base does: dot colour (at most +11.0 points: dot colour in " +
        "mcl-1).")]
    public void ProbesOfTheStagesAreComparedWithTheBase(double accuracy, string expected) => Assert.Equal(
        [expected],
        ReportNotes.Create(Plain with
        {
            Attributes = new AttributeProbes(
                [new ProbedAttribute("shape", 8, 12.5), new ProbedAttribute("dot_colour", 8, 12.5)],
                [new ProbeRow("base", [50, 20]), new ProbeRow("mcl-1", [49, accuracy]), new ProbeRow("moe", [90, 90])]),
        }));
}
