using System.Text.Json.Serialization;

namespace ClipMoe.Actors.Protocol;

/// <summary>Command line → roster: which workers are there?</summary>
public sealed record ListWorkers;

public sealed record WorkerList(IReadOnlyList<ListedWorker> Workers);

public sealed record ListedWorker(int Number, WorkerInfo Info, WorkerState State);

[JsonConverter(typeof(JsonStringEnumConverter<WorkerState>))]
public enum WorkerState { Active, Reserve, Unreachable, Drained }

/// <summary>Command line → roster: give a worker nothing more to do, or something again.</summary>
/// <param name="Back">End the drain.</param>
public sealed record DrainWorker(string Name, bool Back) : ISchedulerCommand;

/// <summary>Roster → scheduler: it is done, and to be remembered; then the sender, on the command line, is told.</summary>
public sealed record DrainAccepted(DrainWorker Drain, string Message);

/// <summary>Command line → scheduler → roster: how many workers are given work at a time. The others are in reserve.</summary>
/// <param name="Max">At least 1; null: all.</param>
public sealed record ScaleWorkers(int? Max) : ISchedulerCommand;

/// <summary>→ command line: it is done, or under way; a sentence for people.</summary>
public sealed record CommandDone(string Message);

/// <summary>→ command line: it can't be done, and why.</summary>
public sealed record CommandRefused(string Message);
