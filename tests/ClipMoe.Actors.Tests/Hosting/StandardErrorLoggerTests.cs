using Akka.Event;
using ClipMoe.Actors.Hosting;

namespace ClipMoe.Actors.Tests.Hosting;

public sealed class StandardErrorLoggerTests
{
    [Fact]
    public void An_event_is_one_line_that_says_what_and_where_without_a_stack_trace()
    {
        var cause = new AggregateException(new IOException("the disk is full\nand more"));

        var line = StandardErrorLogger.Line(new Error(cause, "akka://clipmoe/user/manager", typeof(object), "The journal failed\n   at Somewhere()"));

        Assert.Matches(@"^\d\d:\d\d:\d\d\.\d{3} error: The journal failed: the disk is full \(akka://clipmoe/user/manager\)$", line);
    }
}
