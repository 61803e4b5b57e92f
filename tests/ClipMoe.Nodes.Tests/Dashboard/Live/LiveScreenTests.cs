using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Live;
using Spectre.Console;

namespace ClipMoe.Nodes.Tests.Dashboard.Live;

public sealed class LiveScreenTests
{
    [Theory]
    [InlineData(80, 24, "data")]
    [InlineData(80, 24, "mcl-2")]
    [InlineData(80, 24, "evaluate")]
    [InlineData(200, 50, "mcl-2")]
    [InlineData(100, 12, "mcl-2")]
    public void ScreenFitsTheTerminalAndShowsTheStageThatRuns(int width, int height, string stage)
    {
        var run = SampleRun.Until(stage);
        run.Apply(new RunWarning($"the checkpoint of stage base is damaged: the one before it is used {new string('x', 200)}"), default);

        var lines = Draw(run, width, height);

        Assert.InRange(lines.Count, 5, height - 1);
        Assert.All(lines, l => Assert.InRange(l.TrimEnd().Length, 0, width));
        var running = Assert.Single(lines, l => l.StartsWith('▶'));
        Assert.Contains(stage, running);
        Assert.Contains("━━━───", running);
    }

    [Fact]
    public void EverythingThatIsKnownOfAStageIsOnItsLine()
    {
        var lines = Draw(SampleRun.Until("mcl-1"), 80, 24);

        Assert.Matches(@"^✓ +base +3000/3000 +loss 1\.2500 +1,234/s +30 s$", Assert.Single(lines, l => l.Contains(" base ")).TrimEnd());
        var running = Assert.Single(lines, l => l.Contains(" mcl-1 ")).TrimEnd();
        Assert.Matches(@"^▶ +mcl-1 +━+─+ +125/250 +loss 1\.5000 +1,234/s +\d s left$", running);
        Assert.Matches(@"^· +mcl-2 +250$", Assert.Single(lines, l => l.Contains(" mcl-2 ")).TrimEnd());
        Assert.Contains(lines, l => l.Contains("about ") && l.Contains(" left"));
    }

    [Fact]
    public void TheHeadlinesOfWhatIsMeasuredStandBelowTheLoss()
    {
        var run = SampleRun.Until("mcl-1");
        run.Apply(new StageProgress("mcl-1", 126, 250, 1.5, 1e-3, 1234, 2) { Metrics = SampleRun.Metrics }, TimeSpan.Zero);

        var lines = Draw(run, 80, 24).Select(l => l.TrimEnd()).ToList();

        Assert.Equal("step  gradient_norm 0.512  time/data_wait 12.3 ms", lines[lines.FindIndex(l => l.StartsWith("loss ")) + 1]);
    }

    [Fact]
    public void StagesWithoutRoomAreCounted()
    {
        var lines = Draw(SampleRun.Until("mcl-2"), 80, 14);

        Assert.Contains(lines, l => l.Trim().EndsWith(" before", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Trim().EndsWith(" more", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(9)]
    public void TerminalsOfAFewColumnsGetWhatFits(int width)
    {
        var run = SampleRun.Until("mcl-1");
        run.Apply(new RunWarning("a warning that is longer than the terminal is wide"), default);
        Assert.NotEmpty(Draw(run, width, 24));
    }

    [Fact]
    public void NamesAreNoMarkup()
    {
        var lines = Draw(SampleRun.Until("base", "[red]x[/] [nonsense"), 80, 24);

        Assert.Contains("[red]x[/] [nonsense", lines[0]);
    }

    [Fact]
    public void TerminalsWithoutUnicodeGetAscii() =>
        Assert.All(Draw(SampleRun.Until("mcl-1"), 80, 24, unicode: false), l => Assert.All(l, c => Assert.True(char.IsAscii(c), l)));

    [Fact]
    public void BeforeTheFirstEventThereIsNothing() => Assert.All(Draw(new RunProgress(), 80, 24), l => Assert.Equal("", l.Trim()));

    private static List<string> Draw(RunProgress run, int width, int height, bool unicode = true)
    {
        var output = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(output),
        });
        (console.Profile.Width, console.Profile.Height, console.Profile.Capabilities.Unicode) = (width, height, unicode);
        console.Write(LiveScreen.Draw(run, run.Current?.Started + TimeSpan.FromSeconds(1.25) ?? default, console.Profile));
        return [.. output.ToString().TrimEnd('\n').Split('\n')];
    }
}
