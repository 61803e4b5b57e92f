using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Tests.Training;

public sealed class StepTransactionTests
{
    private static readonly StepId Id = new("mcl-1", 2, 17);

    private static GradientReady Report(int worker, string hash = "a", StepId? id = null, double loss = 1, string state = "w") =>
        new(id ?? Id, worker, hash, state, Measured(new MetricWriter(), worker, loss));

    private static MetricReport Measured(MetricWriter writer, int leaf, double loss) =>
        writer.Write([(new Subtree(leaf, leaf + 1), new MetricBag { { StepLoss.Total, loss } })]);

    [Fact]
    public void Commits_only_when_every_member_reported_the_same_hash()
    {
        var step = new StepTransaction(Id, [0, 1, 2]);
        (step, var first) = step.Report(Report(2));
        (step, var second) = step.Report(Report(0));
        (_, var third) = step.Report(Report(1));
        Assert.IsType<Wait>(first);
        Assert.IsType<Wait>(second);
        Assert.Equal(3, Assert.IsType<Commit>(third).Metrics[StepLoss.Total]);
    }

    [Fact]
    public void What_values_mean_is_told_once_and_holds_for_the_steps_after()
    {
        var writer = new MetricWriter();
        var first = Report(0) with { Metrics = Measured(writer, 0, 0.1) };
        var (step, _) = new StepTransaction(Id, [0]).Report(first);
        var next = step.Next();
        var second = first with { Id = next.Id, Metrics = Measured(writer, 0, 0.7) };

        Assert.Equal(Id with { Step = 18 }, next.Id);
        Assert.Null(second.Metrics.Layout);
        Assert.Equal(0.7, Assert.IsType<Commit>(next.Report(second).Verdict).Metrics[StepLoss.Total]);
    }

    [Fact]
    public void Names_which_worker_reported_what_when_hashes_differ()
    {
        var (step, _) = new StepTransaction(Id, [0, 1]).Report(Report(0));
        var disagree = Assert.IsType<Disagree>(step.Report(Report(1, "b")).Verdict);
        Assert.Equal("a", disagree.Reports[0].GradientHash);
        Assert.Equal("b", disagree.Reports[1].GradientHash);
    }

    [Fact]
    public void The_same_gradient_from_other_weights_is_a_disagreement_too()
    {
        var (step, _) = new StepTransaction(Id, [0, 1]).Report(Report(0));
        Assert.IsType<Disagree>(step.Report(Report(1, state: "other")).Verdict);
    }

    [Theory]
    [InlineData("mcl-1", 1, 17)]
    [InlineData("mcl-1", 2, 16)]
    [InlineData("mcl-2", 2, 17)]
    public void Drops_reports_of_another_stage_generation_or_step(string stage, int generation, int step)
    {
        var (next, verdict) = new StepTransaction(Id, [0]).Report(Report(0, id: new StepId(stage, generation, step)));
        Assert.IsType<Stale>(verdict);
        Assert.IsType<Commit>(next.Report(Report(0)).Verdict);
    }

    [Fact]
    public void Counts_a_member_once_and_a_stranger_never()
    {
        var (step, _) = new StepTransaction(Id, [0, 1]).Report(Report(0));
        Assert.IsType<Stale>(step.Report(Report(0)).Verdict);
        Assert.IsType<Stale>(step.Report(Report(7)).Verdict);
        Assert.IsType<Commit>(step.Report(Report(1)).Verdict);
    }
}
