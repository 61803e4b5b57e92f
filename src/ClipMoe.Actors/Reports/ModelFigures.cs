using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Evaluation;

namespace ClipMoe.Actors.Reports;

/// <summary>Everything measured on one model.</summary>
public sealed record ModelFigures(
    RetrievalScores Retrieval, IReadOnlyList<ProbeResult> Probes, IReadOnlyList<ExpertLoad> Loads,
    IReadOnlyList<RetrievalExample> Examples);
