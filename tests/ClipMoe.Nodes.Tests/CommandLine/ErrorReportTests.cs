using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Tests.CommandLine;

/// <summary>Whatever happens, the user gets one sentence and an exit code that says whose fault it is.</summary>
public sealed class ErrorReportTests
{
    [Fact]
    public void WrappersOfThreadsAndInitializersAreLeftOut()
    {
        var cause = new InvalidOperationException("the device is gone");
        Assert.StartsWith("the device is gone. ",
            ErrorReport.Sentence(new AggregateException(new TypeInitializationException("X", cause))));
    }

    [Fact]
    public void OfAMessageOfManyLinesTheFirstIsSaidWithoutWhatSteersATerminal() =>
        Assert.StartsWith("CUDA out of ?memory. ",
            ErrorReport.Sentence(new InvalidOperationException("CUDA out of \u001bmemory:\nException raised from malloc\n#0 frame")));

    [Fact]
    public void AnExceptionWithoutAMessageIsCalledByItsName() =>
    Assert.StartsWith("IndexOutOfRange", ErrorReport.Sentence(new IndexOutOfRangeException("")));

    [Theory]
    [InlineData(1, "run", "--out", "")]
    [InlineData(2, "run", "--device", "foo")]
    [InlineData(2, "run", "--device", "cuda:x")]
    [InlineData(2, "run", "--workers", "0")]
    [InlineData(2, "train", "mcl-1", "--out", "nowhere", "--threads", "0")]
    [InlineData(2, "train", "mcl-1", "--out", "nowhere", "--workers", "0")]
    [InlineData(2, "run", "--data", "/no/such/data")]
    [InlineData(2, "run", "--set", "data.vocabulary=/no/such/vocabulary")]
    [InlineData(2, "run", "--set", "data.benchmark_test=0")]
    public void AnErrorIsOneSentenceWithoutAStack(int exitCode, params string[] arguments)
    {
        using var folder = new TemporaryFolder();
        var place = Path.Combine(folder.Path, "out");
        string[] output = arguments.Contains("--out") ? [] : ["--out", place];
        var outcome = Cli.Run([.. arguments, .. output]);
        Assert.Equal(exitCode, outcome.ExitCode);
        Assert.DoesNotContain("   at ", outcome.Error);
        Assert.Empty(outcome.Output);
        Assert.NotEmpty(outcome.Error);
        Assert.False(File.Exists(Path.Combine(place, "journal.db")));
    }

    [Fact]
    public void WithoutArgumentsTheHelpIsPrinted()
    {
        var outcome = Cli.Run();
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("Usage:", outcome.Output);
        Assert.Contains("run", outcome.Output);
    }
}
