using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Tests.Experiments;

public sealed class SchedulerStateTests
{
    private static Submitted Submit(string id) => new(id, ExperimentJson.Write(TestExperiments.Small).ToJsonString(), $"hash of {id}");

    private static Ended End(string id, ExperimentStatus status = ExperimentStatus.Finished) => new(id, status, null, "w", []);

    private static SchedulerState Fold(params SchedulerEvent[] events) => events.Aggregate(SchedulerState.Empty, (s, e) => s.Apply(e));

    [Fact]
    public void Experiments_run_one_after_another_in_the_order_in_which_they_came()
    {
        var state = Fold(Submit("a"), Submit("b"));
        Assert.Equal("a", state.Current?.Id);
        state = state.Apply(End("a", ExperimentStatus.Failed));
        Assert.Equal("b", state.Current?.Id);
        Assert.Null(state.Apply(End("b")).Current);
    }

    [Fact]
    public void An_experiment_that_is_cancelled_while_it_waits_is_passed_over() =>
        Assert.Equal("c", Fold(Submit("a"), Submit("b"), Submit("c"), End("b", ExperimentStatus.Cancelled), End("a")).Current?.Id);

    [Fact]
    public void A_failed_experiment_that_is_resumed_comes_after_those_that_wait()
    {
        var state = Fold(Submit("a"), Submit("b"), End("a", ExperimentStatus.Failed), new Reopened("a"));
        Assert.Equal("b", state.Current?.Id);
        state = state.Apply(End("b"));
        Assert.Equal("a", state.Current?.Id);
        Assert.Equal("c-3", state.NextId("c"));
    }

    [Fact]
    public void Without_an_id_the_one_that_runs_is_meant_or_the_last()
    {
        Assert.Null(SchedulerState.Empty[null]);
        Assert.Equal("a", Fold(Submit("a"), Submit("b"))[null]?.Id);
        Assert.Equal("b", Fold(Submit("a"), Submit("b"), End("a"), End("b"))[null]?.Id);
        Assert.Null(Fold(Submit("a"))["other"]);
        Assert.Equal(TestExperiments.Small.Batch, Fold(Submit("a"))["a"]?.Experiment.Batch);
    }

    [Fact]
    public void What_is_wanted_of_an_experiment_is_still_wanted_after_a_takeover()
    {
        var paused = Fold(Submit("a"), Submit("b"), new ControlWanted("a", Control.Pause), new SchedulerStarted());
        Assert.Equal((Control.Pause, null), (paused["a"]!.Wanted, paused["b"]!.Wanted));
        Assert.Null(paused.Apply(new ControlWanted("a", Control.Resume))["a"]!.Wanted);
        Assert.Null(Fold(Submit("a"), new ControlWanted("a", Control.Pause), End("a", ExperimentStatus.Failed),
            new Reopened("a"))["a"]!.Wanted);
    }

    [Fact]
    public void A_request_that_comes_again_is_known_by_what_was_made_of_it()
    {
        var state = Fold(Submit("a") with { Request = "r1" }, Submit("b"), End("a"));
        Assert.Equal("a", state.ByRequest("r1")?.Id);
        Assert.Null(state.ByRequest("r2"));
    }

    [Fact]
    public void A_worker_is_drained_until_it_is_given_work_again()
    {
        var state = Fold(new WorkerDrained("w1", Back: false), new WorkerDrained("w2", Back: false), new SchedulerStarted(),
            new WorkerDrained("w1", Back: true));
        Assert.Equal(["w2"], state.Drained);
    }

    [Fact]
    public void Every_takeover_counts() => Assert.Equal(2, Fold(new SchedulerStarted(), Submit("a"), new SchedulerStarted()).Terms);

    [Fact]
    public void The_last_number_of_workers_holds()
    {
        Assert.Null(SchedulerState.Empty.MaxWorkers);
        Assert.Equal(2, Fold(new WorkersScaled(5), new SchedulerStarted(), new WorkersScaled(2), new SchedulerStarted()).MaxWorkers);
        Assert.Null(Fold(new WorkersScaled(5), new WorkersScaled(null)).MaxWorkers);
    }

    [Theory]
    [InlineData("demo", "demo-1")]
    [InlineData("../x y", "---x-y-1")]
    [InlineData("", "run-1")]
    public void An_id_is_good_for_a_folder(string name, string id) => Assert.Equal(id, SchedulerState.Empty.NextId(name));

    [Fact]
    public void The_same_name_gets_another_id_each_time() => Assert.Equal("demo-2", Fold(Submit("demo-1")).NextId("demo"));
}
