using ClipMoe.Nodes.Cluster;

namespace ClipMoe.Nodes.Tests.Cluster;

public sealed class WorkerProcessTests
{
    [Fact]
    public void What_has_worked_for_a_while_is_started_again_at_once() =>
        Assert.Equal(TimeSpan.Zero, WorkerProcess.PauseAfter(lived: TimeSpan.FromMinutes(1), before: TimeSpan.FromSeconds(60)));

    [Fact]
    public void What_keeps_failing_is_started_again_ever_later_up_to_a_minute()
    {
        var pauses = new List<TimeSpan> { TimeSpan.Zero };
        while (pauses.Count < 9) pauses.Add(WorkerProcess.PauseAfter(lived: TimeSpan.FromSeconds(3), before: pauses[^1]));
        Assert.Equal([0, 1, 2, 4, 8, 16, 32, 60, 60], pauses.Select(p => p.TotalSeconds));
    }
}
