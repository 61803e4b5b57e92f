using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard.Live;

/// <summary>Lines for log files: each stage's beginning and end, and in between one every few seconds.</summary>
internal sealed class PlainView(TextWriter output, TimeProvider clock) : RunView
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly RunProgress _progress = new();
    private readonly long _start = clock.GetTimestamp();
    private TimeSpan _last;

    protected override void Display(RunEvent e)
    {
        var now = clock.GetElapsedTime(_start);
        // The signal's thread shows that the run is stopping.
        lock (_progress)
        {
            _progress.Apply(e, now);
            if (e is StageProgress or CheckpointSaved && now - _last < Pause) return;
            if (Line(e, now) is not { } line) return;
            _last = now;
            output.WriteLine($"{NumberFormat.Duration((now - _progress.Started).TotalSeconds),11}  {line}");
            output.Flush();
        }
    }

    private string? Line(RunEvent e, TimeSpan now) => e switch
    {
        RunStarted r => $"{r.Experiment} ({r.Hash[..12]}) in {r.OutputFolder}: {r.Stages.Count} stages, "
            + $"{r.Workers} {(r.Workers == 1 ? "worker" : "workers")}, {r.Device}",
        StageStartedEvent { TotalSteps: { } total } s when s.Step == total => $"{s.Stage}: all {NumberFormat.Count(total)} steps are done",
        StageStartedEvent { TotalSteps: { } total, Step: > 0 } s =>
            $"{s.Stage}: resuming at step {NumberFormat.Count(s.Step + 1)} of {NumberFormat.Count(total)}",
        StageStartedEvent { TotalSteps: { } total } s =>
            $"{s.Stage}: {NumberFormat.Count(total)} {(_progress.Current?.Kind ?? StageKind.Train).Unit}",
        StageStartedEvent s => $"{s.Stage}: started",
        StageProgress p => Progress(p, now),
        StageCompletedEvent f =>
            $"{f.Stage}: done in {NumberFormat.Duration(f.Result.Seconds)}{Details(f.Result.FinalLoss, f.Result.ImagesPerSecond)}",
        ModelMeasured m => $"{m.Stage}: {m.Scores.Model} has R@1 {NumberFormat.Percent(m.Scores.MeanR1)} %",
        CheckpointSaved c => $"{c.Stage}: checkpoint after step {NumberFormat.Count(c.Step)}",
        RunPaused p => $"{p.Stage}: paused at a checkpoint; clipmoe resume continues it",
        RunWarning w => w.Message,
        RunEnded r => $"done. Checkpoint {r.Checkpoint}, weights {r.WeightsSha256}, report {r.ReportFile}",
        _ => null,
    };

    private string Progress(StageProgress p, TimeSpan now)
    {
        var left = TimeLeft.Estimate(_progress, now) is { } time ? $", about {NumberFormat.Duration(time.TotalSeconds)} left in all" : "";
        return $"{p.Stage}: {NumberFormat.Count(p.Done)} of {NumberFormat.Count(p.Total)}"
            + Details(_progress.Current?.Kind.TakesSteps == true ? p.Loss : null, p.ImagesPerSecond) + left;
    }

    private static string Details(double? loss, double? imagesPerSecond) =>
        (loss is { } l ? $", loss {NumberFormat.Loss(l)}" : "") + (imagesPerSecond is { } rate ? $", {NumberFormat.Rate(rate)} images/s"
            : "");
}
