using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Metrics;
using ClipMoe.Nodes.Dashboard.Live;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Dashboard.Live;

/// <summary>Events of a run with 18 stages, at a hundred steps a second.</summary>
internal static class SampleRun
{
    private static readonly StagePlan Plan = StagePlan.For(ExperimentFile.Parse(
        "base: {steps: 3000}\nmcl: {stages: 3, steps: 250}\nmoe: {experts: 4}\nevaluation: {compare: [direct, hard_batch, upcycle]}",
        "the sample", "/", []));

    public static IReadOnlyList<MetricValue> Metrics { get; } =
    [
        new(new Metric("loss", MetricKind.Sum, Exact: true), [1.5]),
        new(new Metric("gradient_norm", MetricKind.Norm, Headline: true), [0.51234]),
        new(new Metric("time/data_wait", MetricKind.Mean, "s", Headline: true), [0.0123]),
        new(new Metric("router/text/layer.1/load", MetricKind.Histogram, "choices", Bins: 3), [30, 10, 0]),
    ];

    public static RunStarted Started(string name = "demo") => new(
        name, new string('b', 64), "/runs/demo", 2, "cpu, 1 thread per worker",
        [.. Plan.Stages.Select(PlannedStage.FromSpec)]);

    /// <summary>Up to the middle of stage <paramref name="last"/>.</summary>
    public static RunProgress Until(string last, string name = "demo")
    {
        var (run, now) = (new RunProgress(), TimeSpan.Zero);
        run.Apply(Started(name), now);
        foreach (var stage in run.Stages.Select(s => s.Plan).ToList())
        {
            var total = stage.Steps ?? 8;
            run.Apply(new StageStartedEvent(stage.Name, stage.Steps, 0), now);
            now += TimeSpan.FromSeconds(total / 200.0);
            run.Apply(
                new StageProgress(stage.Name, total / 2, total, stage.Kind == "train" ? 1.5 : null, 1e-3, 1234, 2)
                {
                    Metrics = stage.Kind == "train" ? Metrics : null,
                },
                now);
            if (stage.Name == last) return run;
            now += TimeSpan.FromSeconds(total / 200.0);
            run.Apply(new StageCompletedEvent(stage.Name, new StageResult(null, null, total / 100.0)
            {
                Steps = stage.Steps,
                FinalLoss = 1.25
            }),
                now);
        }
        return run;
    }
}
