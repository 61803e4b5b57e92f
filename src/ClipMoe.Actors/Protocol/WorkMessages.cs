using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;

namespace ClipMoe.Actors.Protocol;

/// <summary>Data preparation → worker: find out what the data set holds; <see cref="DataSetPrepared"/> follows.</summary>
public sealed record PrepareDataSet(string Stage);

public sealed record DataSetPrepared(string Stage, DataPrepared Fact);

/// <summary>Worker → data preparation.</summary>
/// <param name="Done">Samples read so far, of <paramref name="Total"/>.</param>
public sealed record PreparationProgress(string Stage, int Done, int Total);

/// <summary>Extraction → worker: features of samples <c>First</c>…<c>End</c> by a model.</summary>
public sealed record ExtractShard(string Stage, int Shard, int First, int End, WrittenFile Model);

public sealed record ShardReady(string Stage, int Shard, int Worker, WrittenFile File, int Samples);

/// <summary>Evaluation → worker: all figures of one model.</summary>
/// <param name="Model">What the report calls it.</param>
public sealed record EvaluateModel(string Stage, string Model, WrittenFile File, bool WithExamples);

/// <param name="Figures">File with all figures, which holds pictures and so is nothing for a mailbox.</param>
public sealed record ModelEvaluated(string Stage, string Model, int Worker, WrittenFile Figures);

/// <summary>Session → worker: put the experts together.</summary>
public sealed record BuildMoe(AssembleMoe Spec, IReadOnlyList<WrittenFile> Files);

/// <summary>Coordinator → worker: take a dense checkpoint over as the base.</summary>
public sealed record ImportModel(LoadModel Spec);

public sealed record ModelBuilt(string Stage, WrittenFile File);
