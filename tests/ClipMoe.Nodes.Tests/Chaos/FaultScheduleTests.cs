using ClipMoe.Nodes.Chaos;

namespace ClipMoe.Nodes.Tests.Chaos;

public sealed class FaultScheduleTests
{
    [Fact]
    public void The_same_seed_gives_the_same_faults_and_another_seed_others()
    {
        Assert.Equal(FaultSchedule.FromSeed(7).Take(200), FaultSchedule.FromSeed(7).Take(200));
        Assert.NotEqual(FaultSchedule.FromSeed(7).Take(200), FaultSchedule.FromSeed(8).Take(200));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(ulong.MaxValue)]
    public void Three_minutes_have_time_for_more_than_fifty_faults_of_all_kinds(ulong seed)
    {
        var time = TimeSpan.Zero;
        var faults = FaultSchedule.FromSeed(seed).TakeWhile(f => (time += f.Wait) < TimeSpan.FromMinutes(3)).ToList();

        Assert.InRange(faults.Count, 90, 150);
        Assert.Equal(Enum.GetValues<ChaosFault>(), faults.Select(f => f.Kind).Distinct().Order());
        Assert.All(faults, f => Assert.InRange(f.Wait.TotalSeconds, 0.3, 2.7));
        Assert.All(faults, f => Assert.InRange(f.Length.TotalSeconds, 0, 20));
    }

    [Fact]
    public void Every_target_is_hit_now_and_then() =>
        Assert.Equal(["a", "b", "c"], FaultSchedule.FromSeed(1).Take(50).Select(f => f.Among(["a", "b", "c"])).Distinct().Order());
}
