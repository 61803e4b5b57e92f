using ClipMoe.Actors.Training;

namespace ClipMoe.Actors.Tests.Training;

public sealed class DeviceWatchTests
{
    private static readonly AwaitedWork Joining = new(1, 1, "building its replica"), Writing = new(2, 30, "writing a checkpoint");

    private readonly DeviceWatch _watch = new();

    [Fact]
    public void A_device_hangs_that_is_at_the_same_work_at_more_looks_than_any_may_take()
    {
        Look(DeviceWatch.MostLooks - 1, Joining);
        Look(1, Joining, Writing);
        Assert.Equal([Joining], _watch.Look([Joining, Writing]));
    }

    [Fact]
    public void Looks_before_the_work_was_done_do_not_count()
    {
        Look(DeviceWatch.MostLooks, Joining);
        Look(1);
        Look(DeviceWatch.MostLooks, Joining);
        Assert.Equal([Joining], _watch.Look([Joining]));
    }

    [Fact]
    public void Looks_at_an_earlier_attempt_do_not_count()
    {
        Look(DeviceWatch.MostLooks, Joining);
        var again = Joining with { Attempt = 2 };
        Look(DeviceWatch.MostLooks, again);
        Assert.Equal([again], _watch.Look([again]));
    }

    private void Look(int times, params AwaitedWork[] awaited)
    {
        for (var time = 0; time < times; time++) Assert.Empty(_watch.Look(awaited));
    }
}
