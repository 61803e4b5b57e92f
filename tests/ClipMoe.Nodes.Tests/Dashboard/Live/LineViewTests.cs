using System.Text.Json.Nodes;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Live;

namespace ClipMoe.Nodes.Tests.Dashboard.Live;

/// <summary>What a run says where there is no terminal.</summary>
public sealed class LineViewTests
{
    private readonly ManualClock _clock = new();
    private readonly StringWriter _output = new();

    [Fact]
    public void PlainLinesComeEveryFewSecondsAndAtTheEndsOfStages()
    {
        using var view = new PlainView(_output, _clock);

        view.Show(SampleRun.Started());
        view.Show(new StageStartedEvent("base", 3000, 0));
        for (var step = 1; step <= 3000; step++)
        {
            _clock.Pass(0.01);
            view.Show(new StageProgress("base", step, 3000, 1.5, 1e-3, 3200, 2));
        }
        view.Show(new StageCompletedEvent("base", new StageResult("f", "s", 30)
        {
            Steps = 3000,
            FinalLoss = 1.25,
            ImagesPerSecond = 3200
        }));
        view.Show(new RunEnded("abc", "model.safetensors", "/runs/report.html"));

        var lines = Lines();
        Assert.Equal(
            [
                "demo (bbbbbbbbbbbb) in /runs/demo: 18 stages, 2 workers, cpu, 1 thread per worker",
                "base: 3,000 steps",
                "base: 500 of 3,000, loss 1.5000, 3,200 images/s",
            ],
            lines.Take(3).Select(l => l[13..].Split(", about")[0]));
        Assert.Equal(2 + 6 + 2, lines.Count);
        Assert.Equal("base: done in 30 s, loss 1.2500, 3,200 images/s", lines[^2][13..]);
        Assert.Equal("done. Checkpoint model.safetensors, weights abc, report /runs/report.html", lines[^1][13..]);
        Assert.All(lines.Skip(2).Take(6), l => Assert.Contains(" left in all", l));
    }

    [Theory]
    [InlineData(0, "base: 3,000 steps")]
    [InlineData(3, "base: resuming at step 4 of 3,000")]
    [InlineData(3000, "base: all 3,000 steps are done")]
    public void AResumedStageTellsItsNextStep(int committed, string line)
    {
        using var view = new PlainView(_output, _clock);
        view.Show(SampleRun.Started());
        view.Show(new StageStartedEvent("base", 3000, committed));
        Assert.Equal(line, Lines()[^1][13..]);
    }

    [Fact]
    public void APauseIsSaidWithWhatEndsIt()
    {
        using var view = new PlainView(_output, _clock);

        view.Show(SampleRun.Started());
        view.Show(new RunPaused("base"));

        Assert.Equal("base: paused at a checkpoint; clipmoe resume continues it", Lines()[^1][13..]);
    }

    [Fact]
    public void JsonHasOneObjectALine()
    {
        using var view = new JsonView(_output, _clock);

        view.Show(SampleRun.Started());
        view.Show(new StageStartedEvent("base", 3000, 0));
        _clock.Pass(10);
        view.Show(new StageProgress("base", 1000, 3000, double.NaN, 1e-3, 3200, 2) { Metrics = SampleRun.Metrics });
        view.Show(new RunWarning("line\nbreak"));
        view.Show(new RunEnded("abc", "model.safetensors", "/runs/report.html"));

        var events = Lines().Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal(["run_started", "stage_started", "stage_progress", "run_warning", "run_ended"],
            events.Select(e => (string?)e["event"]));
        Assert.Equal("1970-01-01T00:00:10.000Z", (string?)events[2]["time"]);
        Assert.Equal("base", (string?)events[2]["stage"]);
        Assert.Equal("NaN", (string?)events[2]["loss"]);
        Assert.Equal(
            """{"loss":1.5,"gradient_norm":0.51234,"time/data_wait":0.0123,"router/text/layer.1/load":[30,10,0]}""",
            events[2]["metrics"]!.ToJsonString());
        Assert.True((double?)events[2]["seconds_left"] > 20);
        Assert.Equal("abc", (string?)events[^1]["weights_sha256"]);
    }

    [Fact]
    public void OnlyTheFirstSignalStopsAtACheckpoint()
    {
        using var view = new PlainView(_output, _clock);

        Assert.True(view.Stopping());
        Assert.False(view.Stopping());
        Assert.Contains("Stopping at the next checkpoint", Assert.Single(Lines()));
    }

    private List<string> Lines() => [.. _output.ToString().TrimEnd('\n').Split('\n')];
}
