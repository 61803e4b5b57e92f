using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Tests.Experiments;

public sealed class SampleLedgerTests
{
    private static readonly StagePlan Plan = new([StagePlan.For(TestExperiments.Small)[StagePlan.Base]]);

    [Fact]
    public void Intervals_that_join_are_each_sample_once() => Assert.Empty(Violations((0, 10), (10, 30), (30, 40)));

    [Fact]
    public void Steps_that_are_missing_or_there_twice_are_named()
    {
        Assert.Equal(["base: steps 10 to 11 are missing in the ledger"], Violations((0, 10), (12, 40)));
        Assert.Equal(["base: steps 8 to 9 are twice in the ledger"], Violations((0, 10), (8, 40)));
        Assert.Equal(["base: the ledger ends with 30 of 40 steps"], Violations((0, 30)));
    }

    [Fact]
    public void A_stage_that_did_not_run_is_no_finished_one() =>
        Assert.Equal(["base: its steps were never counted"], SampleLedger.Violations(ExperimentState.Empty, Plan));

    private static IReadOnlyList<string> Violations(params (int From, int To)[] intervals) => SampleLedger.Violations(
        intervals.Aggregate(
            ExperimentState.Empty.Apply(new StepsPlanned(StagePlan.Base, 40)),
            (state, i) => state.Apply(new StepsCheckpointed(StagePlan.Base, i.From, i.To, "", 1, []))),
        Plan);
}
