using ClipMoe.Actors.Files;
using ClipMoe.Model.Clustering;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Protocol;

public enum Modality { Image, Text }

/// <summary>A file of features, and the run of training samples that it holds.</summary>
public sealed record FeatureShard(int Index, int FirstSample, WrittenFile File);

/// <summary>Session → worker: these shards are yours; read them once.</summary>
/// <param name="Round">Counts how often shards were dealt; what belongs to an earlier dealing is dropped.</param>
public sealed record AssignShards(string Stage, int Round, IReadOnlyList<FeatureShard> Shards);

public sealed record ShardsAssigned(string Stage, int Round, int Worker);

/// <summary>Session → one worker: the best of several k-means++ starts on a sample of all shards.</summary>
public sealed record SeedCentroids(string Stage, int Round, Modality Modality, IReadOnlyList<FeatureShard> AllShards);

public sealed record CentroidsSeeded(string Stage, int Round, Modality Modality, Centroids Centroids);

/// <summary>Session → every worker: one pass over your shards.</summary>
public sealed record AccumulateClusters(string Stage, int Round, Modality Modality, int Iteration, Centroids Centroids);

/// <summary>Worker → session: what the pass found, as maximal complete subtrees.</summary>
public sealed record ClustersAccumulated(
    string Stage, int Round, Modality Modality, int Iteration, int Worker, IReadOnlyList<KMeansPartial> Partials);

/// <summary>
/// Session → every worker: features of a few samples, for clusters that became empty. Each answers with those that it holds.
/// </summary>
public sealed record FetchRows(string Stage, int Round, Modality Modality, IReadOnlyList<int> Rows);

public sealed record RowsFetched(string Stage, int Round, int Worker, IReadOnlyDictionary<int, float[]> Features);

/// <summary>Session → worker: write the accumulated labels of one of your shards' samples.</summary>
/// <param name="PreviousLabels">Index of the labels of the stage before; null in the first.</param>
public sealed record LabelShard(string Stage, int Round, int Shard, WrittenFile? PreviousLabels, Centroids Image, Centroids Text);

/// <summary>Worker → session: they are on disk. Counts and a hash are all that the session gets to know of them.</summary>
public sealed record ShardLabeled(string Stage, int Round, int Worker, LabeledShard Shard);
