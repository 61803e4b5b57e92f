namespace ClipMoe.Nodes.Dashboard.Live;

/// <summary>How long a run still takes, from what its stages took so far.</summary>
internal static class TimeLeft
{
    /// <summary>Over all stages that are not done; null while nothing is known about the time of a training step to come.</summary>
    public static TimeSpan? Estimate(RunProgress run, TimeSpan now)
    {
        var left = 0.0;
        foreach (var stage in run.Stages.Where(s => s.Status != StageStatus.Done))
        {
            var seconds = stage.Status == StageStatus.Running ? OfRunning(run, stage, now) : OfWaiting(run, stage, now);
            if (seconds is null && stage.Kind.TakesSteps) return null;
            left += seconds ?? 0;
        }
        return TimeSpan.FromSeconds(left);
    }

    /// <summary>Of the stage that runs; null while it has done nothing.</summary>
    public static TimeSpan? OfCurrent(RunProgress run, TimeSpan now) =>
        run.Current is { } stage && OfRunning(run, stage, now) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

    private static double? OfRunning(RunProgress run, StageProgressState stage, TimeSpan now)
    {
        var spent = (now - stage.Started).TotalSeconds;
        // It converges when it does: as long as it took before, it may take again.
        if (stage.Kind.Converges) return OfWaiting(run, stage, now) is { } before ? Math.Max(0, before - spent) : null;
        var done = stage.Done - stage.DoneBefore;
        if (done > 0 && stage.Total is { } total) return (now - stage.TimedFrom).TotalSeconds / done * Math.Max(0, total - stage.Done);
        return OfWaiting(run, stage, now);
    }

    private static double? OfWaiting(RunProgress run, StageProgressState stage, TimeSpan now)
    {
        if (!stage.Kind.TakesSteps)
            return run.Stages.LastOrDefault(s => s.Kind == stage.Kind && s.Took is not null)?.Took!.Value.TotalSeconds;
        var steps = stage.Total - stage.Done ?? stage.Plan.Steps ?? stage.Plan.Epochs * StepsPerEpoch(run);
        return steps * (SecondsPerStep(run, now, s => s.Plan.Trains == stage.Plan.Trains) ?? SecondsPerStep(run, now, _ => true));
    }

    /// <summary>Of the newest training stage of a kind that has done some steps.</summary>
    private static double? SecondsPerStep(RunProgress run, TimeSpan now, Func<StageProgressState, bool> kind)
    {
        var stage = run.Stages.LastOrDefault(s =>
            s.Kind.TakesSteps && s.Done > s.DoneBefore && (s.Took is not null || s.Status == StageStatus.Running) && kind(s));
        return stage is null ? null : ((stage.Took + stage.Started ?? now) - stage.TimedFrom).TotalSeconds / (stage.Done
            - stage.DoneBefore);
    }

    private static double? StepsPerEpoch(RunProgress run) =>
        run.Stages.FirstOrDefault(s => s is { Kind.TakesSteps: true, Plan.Epochs: not null } && s.Total is not null) is { } known
            ? known.Total / (double)known.Plan.Epochs!
            : null;
}
