using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Tests.Experiments;

public sealed class ExperimentStateTests
{
    private static StepsCheckpointed Steps(int from, int to) => new("base", from, to, $"hash-{to}", 1.5, [new LossSample(from, 3)]);

    private static ExperimentState Fold(params ExperimentEvent[] events) => events.Aggregate(ExperimentState.Empty, (s, e) => s.Apply(e));

    [Fact]
    public void The_next_stage_is_the_first_that_is_not_completed()
    {
        var plan = StagePlan.For(TestExperiments.Small);
        Assert.Equal(StagePlan.Data, ExperimentState.Empty.Next(plan)?.Name);
        var state = Fold(new StageCompleted(StagePlan.Data, new StageResult(null, null, 1)));
        Assert.Equal(StagePlan.Base, state.Next(plan)?.Name);
    }

    [Fact]
    public void A_training_stage_resumes_after_its_last_checkpoint()
    {
        var state = Fold(new StageStarted("base"), new StepsPlanned("base", 6), Steps(0, 2), Steps(2, 4));
        Assert.Equal(4, state.CommittedSteps("base"));
        Assert.Equal(6, state.TotalSteps["base"]);
        Assert.Equal(3, state.SecondsSpent("base"));
        Assert.Equal([0, 2], state.Losses("base").Select(l => l.Step));
    }

    [Fact]
    public void Steps_of_a_damaged_checkpoint_leave_the_ledger()
    {
        var state = Fold(Steps(0, 2), Steps(2, 4), new CheckpointDamaged("base", 4, "cut off"), Steps(2, 4));
        Assert.Equal([(0, 2), (2, 4)], state.Ledger.Select(l => (l.FromStep, l.ToStep)));
    }

    [Fact]
    public void A_damaged_result_makes_its_stage_the_next_one_again()
    {
        var plan = StagePlan.For(TestExperiments.Small);
        var done = plan.Stages.Select(s => new StageCompleted(s.Name, new StageResult("f", "h", 1))).ToArray<ExperimentEvent>();
        var state = Fold([.. done, new ExperimentCompleted("w")]);
        Assert.Null(state.Next(plan));
        state = state.Apply(new StageDamaged("mcl-1"));
        Assert.Equal("mcl-1", state.Next(plan)?.Name);
        Assert.Null(state.WeightsSha256);
    }

    [Fact]
    public void A_stage_that_runs_again_has_no_result_and_the_run_no_weights()
    {
        var plan = StagePlan.For(TestExperiments.Small);
        var done = plan.Stages.Select(s => new StageCompleted(s.Name, new StageResult("f", "h", 1))).ToArray<ExperimentEvent>();
        var state = Fold([.. done, new ExperimentCompleted("w"), new StageReset(StagePlan.Routers)]);
        Assert.Null(state.WeightsSha256);
        Assert.Equal(StagePlan.Routers, state.Next(plan)?.Name);
        Assert.Equal(1, state.Attempts[StagePlan.Routers]);
    }
}
