using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using ClipMoe.Actors.Coordination;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Journal;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Simulation;

/// <summary>
/// The coordinating side of a training stage as it is, with its journal: roster, coordinator, session, aggregators. What it coordinates are
/// <see cref="SimulatedWorkers"/> in another actor system, best in another process.
/// </summary>
public sealed class ProtocolSimulation : IAsyncDisposable
{
    internal const string Roster = "roster";

    private readonly ActorSystem _system;
    private readonly TrafficLog _traffic;
    private readonly IActorRef _coordinator;
    private readonly Task<RunOutcome> _outcome;

    /// <param name="workers">Training begins when so many have come.</param>
    /// <param name="leaves">Of a batch; workers beyond that number stay out.</param>
    /// <param name="folder">For the journal.</param>
    public ProtocolSimulation(int workers, int leaves, int checkpointEvery, string folder)
    {
        ThreadPoolFloor.Raise();
        var run = new RunFolder(folder);
        _system = ActorSystem.Create(ClusterAddress.System, ConfigurationFactory
            .ParseString($"akka.actor.serializers.clipmoe = \"{typeof(MessageMeter).AssemblyQualifiedName}\"")
            .WithFallback(SimulatedWorkers.Configuration)
            .WithFallback(JournalConfiguration.Sqlite(run.Journal)));
        _traffic = TrafficLog.Get(_system);
        var roster = _system.ActorOf(Props.Create(() => new WorkerRoster(0, workers, null, ImmutableHashSet<string>.Empty)), Roster);
        var settings = new RunCoordinator.RunSettings(
            "simulation", Experiment(leaves, checkpointEvery), "simulation", run, new RunFiles(run, keep: 2, elsewhere: null), roster);
        _coordinator = _system.ActorOf(Props.Create(() => new RunCoordinator(settings)), "experiment");
        _outcome = Run();
    }

    /// <summary>host:port for workers.</summary>
    public string Address => ClusterAddress.NodeOf(((ExtendedActorSystem)_system).Provider.DefaultAddress);

    /// <summary>The next commit; they come as fast as they can, whether they are awaited or not.</summary>
    /// <exception cref="System.Threading.Channels.ChannelClosedException">Training has ended.</exception>
    public ValueTask<CommitMark> NextCommit() => _traffic.Commits.ReadAsync();

    /// <summary>Has training stop after the step in flight, with its checkpoint in the journal.</summary>
    public async Task<RunOutcome> Stop()
    {
        _coordinator.Tell(new StopExperiment());
        return await _outcome;
    }

    public async ValueTask DisposeAsync() => await _system.Terminate();

    private async Task<RunOutcome> Run()
    {
        var outcome = await _coordinator.Ask<RunOutcome>(new RunExperiment(), Timeout.InfiniteTimeSpan);
        _traffic.End((outcome as RunFailed)?.Cause);
        return outcome;
    }

    /// <summary>A base training that does not end by itself.</summary>
    private static Experiment Experiment(int leaves, int checkpointEvery) => new()
    {
        Name = "simulation",
        Seed = 1,
        Data = new DataSettings(),
        Model = new ModelSettings(),
        Base = new BaseSettings { Steps = 1_000_000_000 },
        Batch = new BatchSettings { Size = 8 * leaves, Leaves = leaves },
        Mcl = new MclSettings(),
        Moe = new MoeSettings(),
        Router = new RouterSettings(),
        Evaluation = new EvaluationSettings(),
        Checkpoints = new CheckpointSettings { EverySteps = checkpointEvery },
    };
}
