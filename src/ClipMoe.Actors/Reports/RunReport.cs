using System.Text.Json.Serialization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Architecture;

namespace ClipMoe.Actors.Reports;

/// <summary>
/// What a finished run has to say: the content of <c>report.json</c>, and all that <c>report.html</c> shows. Scores and accuracies are in
/// percent, times in seconds.
/// </summary>
public sealed record RunReport
{
    public int Format { get; init; } = 1;
    public required ReportExperiment Experiment { get; init; }
    /// <summary>Of the final checkpoint.</summary>
    public required string WeightsSha256 { get; init; }
    /// <summary>Path of the final checkpoint, relative to the report.</summary>
    public required string Checkpoint { get; init; }
    public required double Seconds { get; init; }
    /// <summary>Architecture of the final checkpoint.</summary>
    public required ClipConfig Model { get; init; }
    public required ReportEnvironment Environment { get; init; }
    public required ReportData Data { get; init; }
    /// <summary>Samples that could not be read and were left out.</summary>
    public required int BadSamples { get; init; }
    /// <summary>Over all training stages.</summary>
    public required double ImagesPerSecond { get; init; }
    public required IReadOnlyList<StageReport> Stages { get; init; }
    public required IReadOnlyList<RetrievalScores> Evaluations { get; init; }
    public AttributeProbes? Attributes { get; init; }
    public IReadOnlyList<ExpertLoad> ExpertLoads { get; init; } = [];
    public IReadOnlyList<RetrievalExample> Examples { get; init; } = [];
    /// <summary>Null when there is no base to compare with on the split that is reported.</summary>
    public MethodComparison? Comparison { get; init; }
    /// <summary>What follows from the numbers and what does not, in sentences.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>The single runs of a report over several seeds; what is not a comparison is then of the first one.</summary>
    public IReadOnlyList<SeedRun> SeedRuns { get; init; } = [];
}

/// <param name="Yaml">The experiment with all its keys.</param>
public sealed record ReportExperiment(string Name, ulong Seed, string Hash, string Yaml);

/// <param name="Device">cpu or cuda:N.</param>
/// <param name="Precision">What the model computes in: fp32 or bf16.</param>
public sealed record ReportEnvironment
{
    public required string ClipMoe { get; init; }
    public required string DotNet { get; init; }
    public required string LibTorch { get; init; }
    public required string System { get; init; }
    public required string Processor { get; init; }
    public required string Device { get; init; }
    public required string Precision { get; init; }
    public required int Workers { get; init; }
    public required int ThreadsPerWorker { get; init; }
}

/// <param name="BadSamplesFile">The list of bad samples, relative to the report; null when there are none.</param>
public sealed record ReportData(string Name, string Fingerprint, int Train, int Test, string? BadSamplesFile);

/// <param name="Kind">The name of a <see cref="StageKind"/>.</param>
public sealed record StageReport(string Name, string Kind, double Seconds)
{
    public int? Steps { get; init; }
    public double? FinalLoss { get; init; }
    public double? ImagesPerSecond { get; init; }
    /// <summary>Loss over the steps (training stages).</summary>
    public IReadOnlyList<LossSample>? Losses { get; init; }
    /// <summary>What else training measured (training stages).</summary>
    public IReadOnlyList<MetricSeries>? Metrics { get; init; }
    /// <summary>Samples per joint cluster, largest first (clustering stages).</summary>
    public IReadOnlyList<int>? ClusterSizes { get; init; }
}

/// <summary>How well a linear probe reads each true attribute of the test images off the image features.</summary>
public sealed record AttributeProbes(IReadOnlyList<ProbedAttribute> Attributes, IReadOnlyList<ProbeRow> Models);

/// <param name="Chance">Accuracy of always saying the commonest value.</param>
public sealed record ProbedAttribute(string Name, int Values, double Chance);

/// <param name="Accuracy">One for each attribute, on the test split.</param>
public sealed record ProbeRow(string Model, IReadOnlyList<double> Accuracy);

/// <summary>Where the router of one MoE block sends the tokens of the test split.</summary>
/// <param name="Tower">image or text.</param>
/// <param name="Layer">Block of the tower, from 0.</param>
/// <param name="Shares">Share of the assignments that each expert gets; together 1.</param>
public sealed record ExpertLoad(string Model, string Tower, int Layer, IReadOnlyList<double> Shares);

/// <summary>One query and what the model found for it, best first.</summary>
/// <param name="Direction">text_to_image or image_to_text.</param>
/// <param name="Picture">The query's image as a small PNG, or another format that browsers show.</param>
/// <param name="Rank">Of the first correct result among all candidates, from 1.</param>
public sealed record RetrievalExample(
    string Model, string Direction, string Caption, byte[] Picture, int Rank, IReadOnlyList<RetrievedItem> Results);

/// <param name="Score">Cosine similarity.</param>
public sealed record RetrievedItem(string Caption, byte[] Picture, double Score, bool Correct);

public sealed record SeedRun(ulong Seed, string Hash, string WeightsSha256, string Report);

/// <summary>What the evaluation stage leaves behind for the report.</summary>
public sealed record EvaluationResults(IReadOnlyList<RetrievalScores> Retrieval)
{
    public AttributeProbes? Attributes { get; init; }
    public IReadOnlyList<ExpertLoad> ExpertLoads { get; init; } = [];
    public IReadOnlyList<RetrievalExample> Examples { get; init; } = [];
}
