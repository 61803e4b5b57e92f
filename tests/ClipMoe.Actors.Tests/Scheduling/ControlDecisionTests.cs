using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Scheduling;

namespace ClipMoe.Actors.Tests.Scheduling;

public sealed class ControlDecisionTests
{
    /// <summary>One failed, one runs, one waits.</summary>
    private static readonly SchedulerState Three = new[] { "failed", "runs", "waits" }
        .Select(id => (SchedulerEvent)new Submitted(id, ExperimentJson.Write(TestExperiments.Small).ToJsonString(), "hash"))
        .Append(Ended("failed", ExperimentStatus.Failed)).Aggregate(SchedulerState.Empty, (s, e) => s.Apply(e));

    private static Ended Ended(string id, ExperimentStatus status) => new(id, status, null, null, []);

    private static ControlDecision Decide(SchedulerState state, Control control, string? id) =>
        ControlDecision.Decide(state, new ControlExperiment(control, id));

    [Theory]
    [InlineData(Control.Pause)]
    [InlineData(Control.Resume)]
    [InlineData(Control.Cancel)]
    public void Without_an_id_the_one_that_runs_is_meant(Control control)
    {
        Assert.Equal(new ControlWanted("runs", control), Decide(Three, control, null).Fact);
        Assert.Equal(Decide(Three, control, "runs"), Decide(Three, control, null));
    }

    [Theory]
    [InlineData(Control.Pause)]
    [InlineData(Control.Resume)]
    public void One_that_waits_can_only_be_cancelled(Control control)
    {
        Assert.Null(Decide(Three, control, "waits").Fact);
        Assert.Equal(ExperimentStatus.Cancelled, Assert.IsType<Ended>(Decide(Three, Control.Cancel, "waits").Fact).Status);
    }

    [Fact]
    public void One_that_failed_resumes_after_those_that_wait()
    {
        var busy = Decide(Three, Control.Resume, "failed");
        Assert.Equal(new Reopened("failed"), busy.Fact);
        Assert.Contains("after those that wait", busy.Answer);
        var idle = Three.Apply(Ended("runs", ExperimentStatus.Finished)).Apply(Ended("waits", ExperimentStatus.Failed));
        Assert.Equal((new Reopened("waits"), "experiment waits resumes from where it stopped."), (Decide(idle, Control.Resume, null).Fact,
            Decide(idle, Control.Resume, null).Answer));
    }

    [Theory]
    [InlineData(Control.Pause, "failed")]
    [InlineData(Control.Cancel, "failed")]
    [InlineData(Control.Resume, "other")]
    public void One_that_is_over_or_was_never_there_is_refused_by_name(Control control, string id)
    {
        var decision = Decide(Three, control, id);
        Assert.Null(decision.Fact);
        Assert.Equal($"experiment {id} does not exist, or has ended.", decision.Answer);
    }

    [Fact]
    public void Where_nothing_runs_nothing_is_controlled() =>
        Assert.Equal(new ControlDecision(null, "no experiment is running."), Decide(SchedulerState.Empty, Control.Cancel, null));
}
