using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;

namespace ClipMoe.Nodes.Tests.Dashboard;

public sealed class ComparisonVerdictTests
{
    [Fact]
    public void StudyOfThreeSeedsIsToldAsItWas()
    {
        var sentences = ComparisonVerdict.Sentences(SampleReport.Make(0, 1, 2).Comparison!);

        Assert.Equal(
            [
                "The MoE moves R@1 by +2.1 ± 0.6 points over its base in the mean of 3 seeds (+2.7, +2.0, +1.6): a gain.",
                "It ties direct fine-tuning (−0.2 ± 1.0 points, at equal total steps).",
                "It is worse than one dense model on cluster-pure batches (hard_batch) (−1.9 ± 0.5 points, at equal total steps).",
                "It ties sparse upcycling (+0.6 ± 1.3 points, at equal total steps).",
                "The highest mean here is that of one dense model on cluster-pure batches (hard_batch): +4.0 ± 1.0 points over its base.",
                "± is the standard deviation over 3 seeds; with so few, differences under about 1 point are noise.",
            ],
            sentences);
    }

    [Fact]
    public void OneSeedClaimsNothing()
    {
        var sentences = ComparisonVerdict.Sentences(SampleReport.Make().Comparison!);

        Assert.Equal(2, sentences.Count);
        Assert.Contains("hard_batch) +5.2; sparse upcycling +3.0; the MoE +2.7; direct fine-tuning +2.4 points", sentences[0]);
        Assert.Contains("nothing follows from these differences", sentences[1]);
    }

    [Theory]
    [InlineData(new[] { 5.0 }, ComparisonVerdict.Outcome.Tie)]
    [InlineData(new[] { 2.0, 2.1, 2.2 }, ComparisonVerdict.Outcome.Better)]
    [InlineData(new[] { -2.0, -2.1, -2.2 }, ComparisonVerdict.Outcome.Worse)]
    [InlineData(new[] { 0.5, 0.5, 0.5 }, ComparisonVerdict.Outcome.Tie)]
    [InlineData(new[] { 0.1, 2.0, 6.0 }, ComparisonVerdict.Outcome.Tie)]
    public void DifferencesCountWhenTheyAreLargeAndSteady(double[] differences, ComparisonVerdict.Outcome expected) =>
        Assert.Equal(expected, ComparisonVerdict.Judge(differences));

    [Fact]
    public void MethodThatOnlySomeSeedsHaveSpoilsTheComparison()
    {
        IReadOnlyList<RetrievalScores> scores = SampleReport.Make().Evaluations;
        var without = scores.Where(s => s.Model != "direct").ToList();

        Assert.Null(MethodComparison.Create([(0, scores), (1, without)], ["moe", "direct"], new Dictionary<string, int>()));
        Assert.NotNull(MethodComparison.Create([(0, without), (1, without)], ["moe", "direct"], new Dictionary<string, int>()));
    }
}
