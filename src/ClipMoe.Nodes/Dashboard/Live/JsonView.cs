using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Nodes.Dashboard.Live;

/// <summary>One JSON object per event and line: <c>event</c>, <c>time</c>, then the event's own keys.</summary>
internal sealed class JsonView(TextWriter output, TimeProvider clock) : RunView
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>What programs know the events by.</summary>
    private static readonly Dictionary<Type, string> Names = new()
    {
        [typeof(RunStarted)] = "run_started",
        [typeof(StageStartedEvent)] = "stage_started",
        [typeof(StageProgress)] = "stage_progress",
        [typeof(StageCompletedEvent)] = "stage_finished",
        [typeof(ModelMeasured)] = "model_measured",
        [typeof(CheckpointSaved)] = "checkpoint_saved",
        [typeof(RunPaused)] = "run_paused",
        [typeof(RunWarning)] = "run_warning",
        [typeof(RunEnded)] = "run_ended",
    };

    private readonly RunProgress _progress = new();
    private readonly long _start = clock.GetTimestamp();

    protected override void Display(RunEvent e)
    {
        var now = clock.GetElapsedTime(_start);
        var json = JsonSerializer.SerializeToNode(e, e.GetType(), Options)!.AsObject();
        json.Insert(0, "event", Names[e.GetType()]);
        json.Insert(1, "time", clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ"));
        if (e is StageProgress { Metrics: { } metrics }) json["metrics"] = Values(metrics);
        // One line at a time, whole, for readers that follow the file; two threads may show events when a run is stopped.
        lock (_progress)
        {
            _progress.Apply(e, now);
            if (e is StageProgress && TimeLeft.Estimate(_progress, now) is { } left)
                json["seconds_left"] = Math.Round(left.TotalSeconds, 1);
            output.WriteLine(json.ToJsonString());
            output.Flush();
        }
    }

    /// <summary>By name: a number, or the counts of a histogram. What they are is in the report.</summary>
    private static JsonObject Values(IReadOnlyList<MetricValue> metrics)
    {
        var values = new JsonObject();
        foreach (var (metric, value) in metrics)
        {
            values[metric.Name] = metric.Kind == MetricKind.Histogram
                ? JsonSerializer.SerializeToNode(value, Options)
                : JsonSerializer.SerializeToNode(value[0], Options);
        }

        return values;
    }
}
