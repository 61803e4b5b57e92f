using System.Text.Json.Serialization;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model;

namespace ClipMoe.Actors.Protocol;

/// <summary>What a worker says of itself.</summary>
/// <param name="Name">Unique in the cluster and the same after a restart, for instance <c>gpu-7:4055/cuda:1</c>.</param>
/// <param name="Endpoint">Where it takes bulk connections.</param>
/// <param name="Output">Identity of its output folder: workers with the same one see each other's files.</param>
public sealed record WorkerInfo(string Name, WorkerDevice Device, BulkEndpoint Endpoint, string Output);

/// <summary>Worker → roster, again and again until it is answered: here I am.</summary>
public sealed record WorkerHello(WorkerInfo Info);

/// <summary>Roster → worker: your number under this scheduler.</summary>
/// <param name="Term">Counts the schedulers of the cluster: a worker that has heard of a later one ignores an earlier one.</param>
public sealed record WorkerWelcome(int Number, int Term);

/// <summary>Process → its worker: ask to be given no more work.</summary>
public sealed record RetireWorker;

/// <summary>Worker → roster: this process ends, and is to be given no more work.</summary>
public sealed record WorkerRetires(string Name);

/// <summary>Roster → worker → process: nothing is expected of it any more.</summary>
public sealed record WorkerDismissed;

/// <summary>Coordinator → roster: tell me of all workers, now and when that changes.</summary>
public sealed record WatchWorkers;

/// <summary>Coordinator → worker: this is what you work for now. Sent again when its data set is known.</summary>
/// <param name="Data">The data set as it was found; null before the data stage.</param>
public sealed record OpenExperiment(string Id, Experiment Experiment, string Hash, DataPrepared? Data);

/// <summary>Worker → coordinator: ready for its stages.</summary>
public sealed record ExperimentOpened(string Id, int Worker, bool WithData);

/// <summary>Worker → coordinator: it can't work for the experiment.</summary>
public sealed record ExperimentRefused(string Id, int Worker, WorkFailure Failure);

/// <summary>A worker that the roster knows, as coordinator and stages address it.</summary>
public sealed record Worker(int Number, IActorRef Actor, WorkerInfo Info);

/// <summary>Roster → coordinator, coordinator → stage: one more to give work to.</summary>
public sealed record WorkerArrived(Worker Worker);

/// <summary>Roster → coordinator, coordinator → stage: nothing more will come from it.</summary>
public sealed record WorkerGone(int Number, string Why);

/// <summary>Worker → sender of the work: it failed.</summary>
public sealed record WorkFailed(string Stage, int Worker, WorkFailure Failure);

/// <summary>Worker → sender of the work: dropped, because its stage or generation ended meanwhile.</summary>
public sealed record WorkAborted(string Stage, int Worker);

/// <summary>Why work failed, in a form that travels.</summary>
/// <param name="Detail">For debugging: where it happened.</param>
/// <param name="Lost">The file that is nowhere; with <see cref="FailureKind.LostFile"/> only.</param>
public sealed record WorkFailure(FailureKind Kind, string Message, string? Detail = null, WrittenFile? Lost = null)
{
    public static WorkFailure FromException(Exception cause) => cause is LostFileException lost
        ? new(FailureKind.LostFile, lost.Message, Lost: lost.File) : new(
        cause switch
        {
            UserErrorException { IsMissing: true } => FailureKind.MissingInput,
            UserErrorException => FailureKind.WrongInput,
            IOException or UnauthorizedAccessException => FailureKind.Storage,
            _ => FailureKind.Fault,
        },
        cause.Message,
        cause is UserErrorException or IOException ? null : cause.ToString());

    public Exception ToException() => Kind switch
    {
        FailureKind.WrongInput => new UserErrorException(Message),
        FailureKind.MissingInput => new UserErrorException(Message) { IsMissing = true },
        FailureKind.Storage => new IOException(Message),
        FailureKind.LostFile => new LostFileException(Lost!, Message, new IOException(Message)),
        _ => new InvalidOperationException(Message, Detail is null ? null : new InvalidOperationException(Detail)),
    };
}

[JsonConverter(typeof(JsonStringEnumConverter<FailureKind>))]
public enum FailureKind
{
    /// <summary>What the user gave can't be used.</summary>
    WrongInput,

    /// <summary>What the user gave is not where this worker is; it may be where others are.</summary>
    MissingInput,

    /// <summary>A disk or a file.</summary>
    Storage,

    /// <summary>A file of the run that no node has as it was written.</summary>
    LostFile,

    /// <summary>Ours.</summary>
    Fault,
}
