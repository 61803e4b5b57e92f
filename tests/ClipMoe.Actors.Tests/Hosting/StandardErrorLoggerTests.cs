using Akka.Event;
using ClipMoe.Actors.Hosting;

namespace ClipMoe.Actors.Tests.Hosting;

public sealed class StandardErrorLoggerTests
{
    [Fact]
    public void The_same_is_said_once_a_minute_and_then_how_often_it_came()
    {
        var repetitions = new Repetitions();
        var noon = new DateTime(2026, 1, 1, 12, 0, 0, DateTimeKind.Utc);
        Assert.Equal("node 1 is away", repetitions.Say(noon, "away", "node 1 is away"));
        Assert.Null(repetitions.Say(noon.AddSeconds(1), "away", "node 2 is away"));
        Assert.Equal("node 1 is back", repetitions.Say(noon.AddSeconds(2), "back", "node 1 is back"));
        Assert.Null(repetitions.Say(noon.AddSeconds(59), "away", "node 3 is away"));
        Assert.StartsWith("node 4 is away, and 2 times more since ", repetitions.Say(noon.AddSeconds(60), "away", "node 4 is away"));
        Assert.Equal("node 5 is away", repetitions.Say(noon.AddSeconds(130), "away", "node 5 is away"));
    }

    [Fact]
    public void An_event_is_one_line_that_says_what_and_where_without_a_stack_trace()
    {
        var cause = new AggregateException(new IOException("the disk is full\nand more"));

        var line = StandardErrorLogger.Line(new Error(cause, "akka://clipmoe/user/manager", typeof(object),
            "The journal failed\n   at Somewhere()"));

        Assert.Matches(@"^\d\d:\d\d:\d\d\.\d{3} error: The journal failed: the disk is full \(akka://clipmoe/user/manager\)$", line);
    }
}
