using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Live;

namespace ClipMoe.Nodes.Tests.Dashboard.Live;

/// <summary>What programs read from <c>clipmoe run --json</c> and <c>clipmoe watch --json</c>.</summary>
public sealed class RecordedRunEventsTests
{
    [Fact]
    public void Every_event_of_a_run_has_the_keys_and_words_that_were_recorded()
    {
        var kinds = typeof(RunEvent).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(RunEvent)));
        new Recording("recorded-run-events.txt").RequireAll(
            kinds.SelectMany(t => SampleInstances.All(t)).Select(e => ("event", Line((RunEvent)e))));
    }

    private static string Line(RunEvent e)
    {
        var output = new StringWriter();
        using var view = new JsonView(output, new ManualClock());
        view.Show(e);
        return output.ToString().TrimEnd('\n');
    }
}
