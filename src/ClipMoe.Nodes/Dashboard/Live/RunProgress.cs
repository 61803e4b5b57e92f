using ClipMoe.Actors.Experiments;

namespace ClipMoe.Nodes.Dashboard.Live;

internal enum StageStatus { Waiting, Running, Done }

/// <summary>One stage as it stands. Times are since the view began.</summary>
internal sealed class StageProgressState(PlannedStage plan)
{
    public PlannedStage Plan => plan;
    public StageKind Kind { get; } = StageKind.Named(plan.Kind);
    public StageStatus Status { get; set; }
    public TimeSpan Started { get; set; }
    /// <summary>How long it took; null while it has not ended, or when it ended in an earlier session.</summary>
    public TimeSpan? Took { get; set; }
    /// <summary>
    /// Since when its speed is measured, and what was done of it before: earlier, or in a first step that all had to get ready for.
    /// </summary>
    public TimeSpan TimedFrom { get; set; }
    /// <inheritdoc cref="TimedFrom"/>
    public int DoneBefore { get; set; }
    public int Done { get; set; }
    public int? Total { get; set; }
    public double? Loss { get; set; }
    public double? ImagesPerSecond { get; set; }
    /// <summary>Those of the last step that a screen has room for.</summary>
    public IReadOnlyList<MetricValue> Headlines { get; set; } = [];
    /// <summary>Losses since this process resumed the run, evenly thinned out.</summary>
    public List<double> Losses { get; } = [];
}

/// <summary>A run as its events tell it.</summary>
internal sealed class RunProgress
{
    /// <summary>More losses than this are thinned out to half.</summary>
    private const int MostLosses = 256;

    private readonly List<StageProgressState> _stages = [];
    private readonly List<string> _warnings = [];
    private readonly List<RetrievalScores> _scores = [];
    private int _lossStride = 1;

    public RunStarted? Run { get; private set; }
    public RunEnded? End { get; private set; }
    public TimeSpan Started { get; private set; }
    public int Workers { get; private set; }
    public IReadOnlyList<StageProgressState> Stages => _stages;
    public IReadOnlyList<string> Warnings => _warnings;
    public IReadOnlyList<RetrievalScores> Scores => _scores;
    public StageProgressState? Current => _stages.FirstOrDefault(s => s.Status == StageStatus.Running);

    public void Apply(RunEvent e, TimeSpan now)
    {
        switch (e)
        {
            case RunStarted run:
                Begin(run, now);
                break;
            case StageStartedEvent started:
                Begin(started, now);
                break;
            case StageProgress progress when Find(progress.Stage) is { } stage:
                Advance(stage, progress, now);
                break;
            case StageCompletedEvent finished when Find(finished.Stage) is { } stage:
                Finish(stage, finished.Result, now);
                break;
            case ModelMeasured measured:
                _scores.Add(measured.Scores);
                break;
            case RunWarning warning:
                _warnings.Add(warning.Message);
                break;
            case RunEnded ended:
                End = ended;
                break;
        }
    }

    /// <summary>Several runs may follow each other.</summary>
    private void Begin(RunStarted run, TimeSpan now)
    {
        (Run, End, Started, Workers) = (run, null, now, run.Workers);
        _stages.Clear();
        _stages.AddRange(run.Stages.Select(s => new StageProgressState(s)));
        _scores.Clear();
        _warnings.Clear();
    }

    private void Begin(StageStartedEvent started, TimeSpan now)
    {
        if (Find(started.Stage) is not { } stage) return;
        // Stages run in their order: what is before this one and was not heard of was done before this process resumed the run.
        foreach (var before in _stages.TakeWhile(s => s != stage)) before.Status = StageStatus.Done;
        (stage.Status, stage.Started, stage.TimedFrom) = (StageStatus.Running, now, now);
        (stage.Total, stage.DoneBefore, stage.Done) = (started.TotalSteps, started.Step, started.Step);
        _lossStride = 1;
    }

    private void Advance(StageProgressState stage, StageProgress progress, TimeSpan now)
    {
        // A watcher that joins in the middle of a stage was not told of its start.
        if (stage.Status == StageStatus.Waiting) Begin(new StageStartedEvent(progress.Stage, progress.Total, progress.Done), now);
        else if (stage.Kind.TakesSteps && stage.TimedFrom == stage.Started && progress.Done == stage.DoneBefore + 1)
            (stage.TimedFrom, stage.DoneBefore) = (now, progress.Done);
        // Samples are checked on several threads, and each modality's clustering counts from 0 again.
        stage.Done = stage.Kind.Converges ? progress.Done : Math.Max(stage.Done, progress.Done);
        (stage.Total, stage.Loss) = (progress.Total, progress.Loss ?? stage.Loss);
        stage.ImagesPerSecond = progress.ImagesPerSecond ?? stage.ImagesPerSecond;
        if (progress.Metrics is { } metrics) stage.Headlines = [.. metrics.Where(m => m.Metric.Headline)];
        Workers = progress.Workers;
        if (!stage.Kind.TakesSteps || progress.Loss is not { } loss || progress.Done % _lossStride != 0) return;
        stage.Losses.Add(loss);
        if (stage.Losses.Count < MostLosses) return;
        var half = stage.Losses.Where((_, i) => i % 2 == 1).ToList();
        stage.Losses.Clear();
        stage.Losses.AddRange(half);
        _lossStride *= 2;
    }

    private static void Finish(StageProgressState stage, StageResult result, TimeSpan now)
    {
        (stage.Status, stage.Took) = (StageStatus.Done, now - stage.Started);
        stage.Loss = result.FinalLoss ?? (stage.Kind.TakesSteps ? stage.Loss : null);
        stage.ImagesPerSecond = result.ImagesPerSecond ?? stage.ImagesPerSecond;
        if (result.Steps is { } steps) (stage.Done, stage.Total) = (steps, steps);
        else if (stage.Total is { } total) stage.Done = total;
    }

    private StageProgressState? Find(string name) => _stages.FirstOrDefault(s => s.Plan.Name == name);
}
