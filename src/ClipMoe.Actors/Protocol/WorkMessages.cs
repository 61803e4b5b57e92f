using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Protocol;

/// <summary>Worker → owner of a pool of leases: free, give me some.</summary>
public sealed record WorkerIdle(int Worker);

/// <summary>Extraction → worker: features of samples <c>First</c>…<c>End</c> by the model in <c>Model</c>.</summary>
public sealed record ExtractShard(string Stage, int Shard, int First, int End, string Model);

public sealed record ShardReady(string Stage, int Shard, int Worker, WrittenFile File, int Samples);

/// <summary>Evaluation → worker: all figures of one model.</summary>
public sealed record EvaluateModel(string Stage, string Model, string File, bool WithExamples);

public sealed record ModelEvaluated(string Stage, string Model, int Worker, ModelFigures Figures);

/// <summary>Session → worker: put the experts together.</summary>
public sealed record BuildMoe(AssembleMoe Spec, IReadOnlyList<string> Files);

/// <summary>Coordinator → worker: take a dense checkpoint over as the base.</summary>
public sealed record ImportModel(LoadModel Spec);

public sealed record ModelBuilt(string Stage, WrittenFile File);
