using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Tests.Protocol;

public sealed class StepPaceTests
{
    private static StepPace After(params double[] seconds) =>
        seconds.Aggregate(StepPace.Unknown, (pace, s) => pace.Add(TimeSpan.FromSeconds(s)));

    [Fact]
    public void The_first_step_may_take_minutes() => Assert.Equal(TimeSpan.FromMinutes(10), StepPace.Unknown.Deadline);

    [Fact]
    public void A_step_may_take_ten_times_the_median() => Assert.Equal(TimeSpan.FromSeconds(40), After(3, 4, 500).Deadline);

    [Fact]
    public void Hiccups_of_fast_steps_are_no_trouble() => Assert.Equal(TimeSpan.FromSeconds(15), After(0.01, 0.02).Deadline);

    [Fact]
    public void Only_the_last_steps_count()
    {
        var slow = After([.. Enumerable.Repeat(100.0, 50)]);
        Assert.Equal(TimeSpan.FromSeconds(1000), slow.Deadline);
        var fast = Enumerable.Repeat(2.0, 32).Aggregate(slow, (pace, s) => pace.Add(TimeSpan.FromSeconds(s)));
        Assert.Equal(TimeSpan.FromSeconds(20), fast.Deadline);
    }
}
