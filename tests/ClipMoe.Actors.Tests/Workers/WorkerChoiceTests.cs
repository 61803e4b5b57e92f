using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Tests.Workers;

public sealed class WorkerChoiceTests
{
    /// <summary>
    /// Workers by number from 1 on: <c>w</c> working, <c>r</c> reserve, <c>l</c> leaving; capital letters: drained or unreachable.
    /// </summary>
    [Theory]
    [InlineData("rrr", null, "123", "")]
    [InlineData("rrr", 2, "12", "")]
    [InlineData("www", 2, "", "3")]
    [InlineData("www", 1, "", "23")]
    [InlineData("rww", 2, "", "")]
    [InlineData("wwr", 3, "3", "")]
    [InlineData("wWr", 2, "3", "2")]
    [InlineData("wWR", 2, "", "2")]
    [InlineData("wlr", 2, "3", "")]
    [InlineData("wl", 2, "", "")]
    [InlineData("Wrr", 1, "2", "1")]
    [InlineData("RRR", null, "", "")]
    [InlineData("", 4, "", "")]
    public void Active_workers_stay_and_free_places_go_to_the_first_registered(string workers, int? max, string taken, string released)
    {
        var chosen = WorkerChoice.Choose(workers.Select((w, i) => new Candidate(
            i + 1, char.IsLower(w), char.ToLowerInvariant(w) switch { 'w' => Duty.Working, 'l' => Duty.Leaving, _ => Duty.Reserve })), max);
        Assert.Equal(taken, string.Concat(chosen.Taken));
        Assert.Equal(released, string.Concat(chosen.Released));
    }
}
