using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Live;

namespace ClipMoe.Nodes.Tests.Dashboard.Live;

public sealed class TimeLeftTests
{
    private static readonly PlannedStage
        Base = new("base", "train", TrainedPart.Everything, Steps: 100),
        Extract = new("extract-1", "extract"),
        Ffns = new("mcl-1", "train", TrainedPart.Ffns, Steps: 50),
        ExtractAgain = new("extract-2", "extract"),
        FfnsAgain = new("mcl-2", "train", TrainedPart.Ffns, Steps: 50),
        Routers = new("routers", "train", TrainedPart.Routers, Steps: 10);

    [Fact]
    public void NothingIsSaidBeforeAStepWasTimed()
    {
        var run = Run(Base);

        Assert.Null(TimeLeft.Estimate(run, TimeSpan.FromSeconds(3)));
    }

    [Fact]
    public void StepsToComeTakeAsLongAsTheStepsBefore()
    {
        var run = Run(Base, Ffns);
        run.Apply(new StageProgress("base", 20, 100, 1, 1, 1, 1), default);

        // 0.5 s a step: 80 of this stage and 50 of the next.
        Assert.Equal(65, TimeLeft.Estimate(run, TimeSpan.FromSeconds(10))!.Value.TotalSeconds, 6);
        Assert.Equal(40, TimeLeft.OfCurrent(run, TimeSpan.FromSeconds(10))!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void StagesOfOneKindTakeAsLongAsEachOther()
    {
        var run = Run(Base, Extract, Ffns, ExtractAgain, FfnsAgain, Routers);
        Finish(run, "base", from: 0, to: 100, steps: 100);
        Finish(run, "extract-1", from: 100, to: 107, steps: null);
        Finish(run, "mcl-1", from: 107, to: 117, steps: 50);
        run.Apply(new StageStartedEvent("extract-2", null, 0), TimeSpan.FromSeconds(117));

        // 7 s to extract, 50 FFN steps of 0.2 s, 10 steps of a kind not seen yet as long as the newest.
        Assert.Equal(7 + 10 + 2, TimeLeft.Estimate(run, TimeSpan.FromSeconds(117))!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void StepsOfAnEarlierSessionTookNoTimeOfThisOne()
    {
        var run = new RunProgress();
        run.Apply(new RunStarted("x", "", "", 1, "cpu", [Base]), default);
        run.Apply(new StageStartedEvent("base", 100, 80), default);
        run.Apply(new StageProgress("base", 90, 100, 1, 1, 1, 1), default);

        Assert.Equal(10, TimeLeft.Estimate(run, TimeSpan.FromSeconds(10))!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void TheFirstStepSaysNothingOfTheOthers()
    {
        var run = Run(Base, Ffns);
        run.Apply(new StageProgress("base", 1, 100, 1, 1, 1, 1), TimeSpan.FromSeconds(30));
        Assert.Null(TimeLeft.Estimate(run, TimeSpan.FromSeconds(30)));
        run.Apply(new StageProgress("base", 11, 100, 1, 1, 1, 1), TimeSpan.FromSeconds(35));
        Assert.Equal((89 + 50) * 0.5, TimeLeft.Estimate(run, TimeSpan.FromSeconds(35))!.Value.TotalSeconds, 6);
        run.Apply(new StageCompletedEvent("base", new StageResult(null, null, 80) { Steps = 101 }), TimeSpan.FromSeconds(80));
        Assert.Equal(50 * 0.5, TimeLeft.Estimate(run, TimeSpan.FromSeconds(99))!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void WhoBeginsToWatchInTheMiddleTimesFromThere()
    {
        var run = new RunProgress();
        run.Apply(new RunStarted("x", "", "", 1, "cpu", [Base, Ffns]), default);
        run.Apply(new StageProgress("mcl-1", 40, 50, 1, 1, 1, 1), TimeSpan.FromSeconds(1));
        Assert.Null(TimeLeft.Estimate(run, TimeSpan.FromSeconds(1)));
        run.Apply(new StageProgress("mcl-1", 42, 50, 1, 1, 1, 1), TimeSpan.FromSeconds(3));
        Assert.Equal(8, TimeLeft.Estimate(run, TimeSpan.FromSeconds(3))!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void EpochsAreCountedInStepsOnceOneIsKnown()
    {
        var run = new RunProgress();
        run.Apply(new RunStarted("x", "", "", 1, "cpu",
            [Ffns with { Steps = null, Epochs = 2 }, Routers with { Steps = null, Epochs = 3 }]), default);
        run.Apply(new StageStartedEvent("mcl-1", 40, 0), default);
        run.Apply(new StageProgress("mcl-1", 20, 40, 1, 1, 1, 1), default);

        Assert.Equal(20 + 60, TimeLeft.Estimate(run, TimeSpan.FromSeconds(20))!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void NothingIsLeftAtTheEnd()
    {
        var run = Run(Base);
        Finish(run, "base", from: 0, to: 5, steps: 100);

        Assert.Equal(TimeSpan.Zero, TimeLeft.Estimate(run, TimeSpan.FromSeconds(6)));
    }

    private static RunProgress Run(params IReadOnlyList<PlannedStage> stages)
    {
        var run = new RunProgress();
        run.Apply(new RunStarted("x", "", "", 1, "cpu", stages), default);
        run.Apply(new StageStartedEvent(stages[0].Name, stages[0].Steps, 0), default);
        return run;
    }

    private static void Finish(RunProgress run, string stage, double from, double to, int? steps)
    {
        run.Apply(new StageStartedEvent(stage, steps, 0), TimeSpan.FromSeconds(from));
        run.Apply(new StageCompletedEvent(stage, new StageResult(null, null, to - from) { Steps = steps }), TimeSpan.FromSeconds(to));
    }
}
