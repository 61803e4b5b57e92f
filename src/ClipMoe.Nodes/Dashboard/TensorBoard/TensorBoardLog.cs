using ClipMoe.Actors.Experiments;

namespace ClipMoe.Nodes.Dashboard.TensorBoard;

/// <summary>
/// Scalars of the training stages for TensorBoard, a run for each stage. A convenience: where it can't be written (a full disk), it stops
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
                var (loss, rate, speed) = (progress.Loss, progress.LearningRate, progress.ImagesPerSecond);
                _file!.Scalars(progress.Done - 1, ("loss", loss), ("learning_rate", rate), ("images_per_second", speed));
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
