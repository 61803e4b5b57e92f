using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Nodes.Dashboard.TensorBoard;

/// <summary>
/// What the training stages measure for TensorBoard, a run for each stage. A convenience: where it can't be written (a full disk), it stops
/// and training continues.
/// </summary>
internal sealed class TensorBoardLog(string folder) : IDisposable
{
    private EventFile? _file;
    private string? _stage;
    private bool _failed;

    public void Write(RunEvent e)
    {
        if (_failed) return;
        try
        {
            Append(e);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            _failed = true;
        }
    }

    public void Dispose()
    {
        try
        {
            _file?.Dispose();
        }
        catch (IOException)
        {
            // The last points do not fit on the disk.
        }
    }

    private void Append(RunEvent e)
    {
        switch (e)
        {
            case StageStartedEvent { TotalSteps: not null } started:
                _file?.Dispose();
                (_stage, _file) = (started.Stage, new EventFile(Path.Combine(folder, started.Stage), TimeProvider.System));
                _file.StartSession(started.Step);
                break;
            case StageProgress progress when progress.Stage == _stage:
                var metrics = progress.Metrics ?? [];
                var scalars = metrics.Where(m => m.Metric.Kind != MetricKind.Histogram).Select(m => (m.Metric.Name, m.Values[0]));
                if (progress.ImagesPerSecond is { } rate) scalars = scalars.Append(("images_per_second", rate));
                var histograms = metrics.Where(m => m.Metric.Kind == MetricKind.Histogram).Select(m => (m.Metric.Name, m.Values));
                _file!.Summary(progress.Done - 1, scalars, histograms);
                break;
            case CheckpointSaved:
                _file?.Flush();
                break;
            case StageCompletedEvent finished when finished.Stage == _stage:
                _file!.Dispose();
                (_stage, _file) = (null, null);
                break;
        }
    }
}
