using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Scheduling;

namespace ClipMoe.Actors.Tests.Scheduling;

public sealed class RunPositionTests
{
    private static readonly QueuedExperiment Queued = new("a-1", TestExperiments.Small, "hash", null);

    private static ListedExperiment After(params RunEvent[] events) =>
        events.Aggregate(new RunPosition(null, null, Paused: false), (position, e) => position.Apply(e)).List(Queued);

    private static StageProgress Progress(string stage, int done) => new(stage, done, 10, 1.5, 1e-3, 80, 2);

    [Fact]
    public void The_stage_and_its_last_step_are_shown()
    {
        var listed = After(new StageStartedEvent("base", 10, 0), Progress("base", 3), Progress("base", 4), new RunWarning("x"));
        Assert.Equal(("base", 4, 10, 80.0, ExperimentStatus.Running), (listed.Stage, listed.Done, listed.Total, listed.ImagesPerSecond,
            listed.Status));
    }

    [Fact]
    public void A_stage_begins_without_the_steps_of_the_one_before()
    {
        var listed = After(Progress("base", 4), new StageStartedEvent("extract-1", null, 0));
        Assert.Equal(("extract-1", null), (listed.Stage, listed.Done));
    }

    [Fact]
    public void It_is_paused_until_something_happens()
    {
        Assert.Equal(ExperimentStatus.Paused, After(Progress("base", 4), new RunPaused("base")).Status);
        Assert.Equal(ExperimentStatus.Running, After(new RunPaused("base"), Progress("base", 5)).Status);
    }

    [Fact]
    public void One_that_waits_is_nowhere()
    {
        var listed = RunPosition.ListOther(Queued);
        Assert.Equal((ExperimentStatus.Waiting, null), (listed.Status, listed.Stage));
    }
}
