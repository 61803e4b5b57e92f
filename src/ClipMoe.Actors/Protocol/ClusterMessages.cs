using System.Text.Json.Serialization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Protocol;

/// <summary>What the command line sends to the scheduler, through any node.</summary>
public interface ISchedulerCommand;

/// <summary>Node → scheduler, again and again: here files of runs can be fetched.</summary>
/// <param name="Name">Host and port of the node.</param>
public sealed record NodeHello(string Name, BulkEndpoint Files, bool Coordinator);

/// <summary>Scheduler → nodes and workers: where files of runs can be fetched.</summary>
public sealed record FileServers(IReadOnlyList<BulkEndpoint> Endpoints);

/// <summary>First seed → another seed: are you in a cluster?</summary>
public sealed record GetMembership;

/// <summary>Seed → first seed.</summary>
public sealed record ClusterMembership(bool IsMember);

/// <summary>Command line → scheduler: run this, after those before it.</summary>
/// <param name="Request">Unique: what comes again, because the answer did not, is one experiment all the same.</param>
public sealed record SubmitExperiment(Experiment Experiment, string Hash, string Request) : ISchedulerCommand;

/// <summary>Scheduler → command line.</summary>
public sealed record ExperimentSubmitted(string Id, int Ahead);

/// <summary>Command line → scheduler.</summary>
public sealed record GetStatus : ISchedulerCommand;

/// <summary>Scheduler → command line: what there is, and where it stands.</summary>
/// <param name="MaxWorkers">So many are given work at a time; null: all.</param>
public sealed record ClusterStatus(
    string Coordinator, int Term, IReadOnlyList<ListedNode> Nodes, IReadOnlyList<ListedWorker> Workers, int? MaxWorkers,
    IReadOnlyList<ListedExperiment> Experiments);

public sealed record ListedNode(string Name, bool Coordinator);

/// <param name="Stage">Where it is; null before its start and after its end.</param>
/// <param name="Message">Why it ended as it did.</param>
public sealed record ListedExperiment(
    string Id, string Name, string Hash, ExperimentStatus Status, string? Stage, int? Done, int? Total, double? ImagesPerSecond,
    string? WeightsSha256,
    string? Message);

/// <summary>Command line → scheduler: send me the events of an experiment; null: of the one that runs, or ran last.</summary>
public sealed record WatchExperiment(string? Id) : ISchedulerCommand;

/// <summary>Scheduler → command line: it is over.</summary>
/// <param name="Report">The files that a report consists of, and the final checkpoint last; empty unless it finished.</param>
/// <param name="Servers">Where they can be fetched.</param>
public sealed record ExperimentEnded(
    string Id, ExperimentStatus Status, string? Message, string? WeightsSha256, IReadOnlyList<WrittenFile> Report,
    IReadOnlyList<BulkEndpoint> Servers);

/// <summary>Command line → scheduler.</summary>
/// <param name="Id">Null: the experiment that runs; to resume, also the last one.</param>
public sealed record ControlExperiment(Control Control, string? Id) : ISchedulerCommand;
