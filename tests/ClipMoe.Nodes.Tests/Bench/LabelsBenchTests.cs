using System.Text.Json;

namespace ClipMoe.Nodes.Tests.Bench;

/// <summary><c>clipmoe bench labels</c>.</summary>
public sealed class LabelsBenchTests
{
    [Fact]
    public void The_benchmark_reports_a_speed_and_the_memory_that_it_took()
    {
        var outcome = Cli.Run("bench", "labels", "--samples", "5000", "--batch", "50", "--seconds", "1", "--json");

        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        using var figures = JsonDocument.Parse(outcome.Output);
        Assert.Equal(5, figures.RootElement.GetProperty("shards").GetInt32());
        Assert.Equal(100, figures.RootElement.GetProperty("batches_per_epoch").GetInt32());
        Assert.True(figures.RootElement.GetProperty("batches_per_second").GetDouble() > 0);
        Assert.True(figures.RootElement.GetProperty("counts").GetProperty("held_megabytes").GetDouble() > 0);
    }
}
