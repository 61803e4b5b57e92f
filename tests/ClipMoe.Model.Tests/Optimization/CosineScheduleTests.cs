using ClipMoe.Model.Optimization;

namespace ClipMoe.Model.Tests.Optimization;

public sealed class CosineScheduleTests
{
    [Fact]
    public void It_warms_up_to_the_base_rate_and_falls_to_zero_at_the_end()
    {
        var schedule = new CosineSchedule(2, WarmupSteps: 4, TotalSteps: 12);
        Assert.Equal([0.5, 1, 1.5, 2, 2], Enumerable.Range(0, 5).Select(schedule.At));
        Close.Within(1e-12, 1, schedule.At(8), "half way");
        Close.Within(1e-12, 0, schedule.At(12), "the end");
        Assert.Equal(2, new CosineSchedule(2, 0, 10).At(0));
    }
}
