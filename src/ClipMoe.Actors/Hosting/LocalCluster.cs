using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using ClipMoe.Actors.Compute;
using ClipMoe.Actors.Coordination;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Journal;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Hosting;

/// <summary>A coordinator and its workers in this process.</summary>
public sealed class LocalCluster : IAsyncDisposable
{
    private const string Settings = """
        akka {
          log-dead-letters = off
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          actor.ask-timeout = infinite
        }
        """;

    private readonly ActorSystem _system;
    private readonly IActorRef _coordinator;
    private readonly Workspace _workspace;
    private readonly List<DeviceContext> _devices = [];

    /// <param name="workers">Number of workers; the weights do not depend on it.</param>
    /// <param name="conditions">Journaled with the run's beginning.</param>
    public LocalCluster(Workspace workspace, int workers, ComputeConditions? conditions = null)
    {
        _workspace = workspace;
        // Tensor and socket work has threads of its own; what runs on the pool must still never wait for a thread to be made.
        ThreadPool.SetMinThreads(Math.Max(32, Environment.ProcessorCount * 4), 32);
        _system = ActorSystem.Create("clipmoe", ConfigurationFactory.ParseString(Settings)
            .WithFallback(ConfigurationFactory.ParseString(Diagnostics.Logging))
            .WithFallback(JournalConfiguration.Sqlite(workspace.Folder.Journal)));
        var roster = _system.ActorOf(Props.Create(() => new WorkerRoster(0, workers, null, ImmutableHashSet<string>.Empty)), "roster");
        var (exchanges, states) = (new LocalExchanges(), new ReplicaStates(null));
        for (var n = 0; n < workers; n++)
        {
            var device = new DeviceContext(
                new WorkerInfo($"{workspace.Device.Name}/{n}", workspace.Device, BulkEndpoint.SameProcess, workspace.Folder.Root),
                new OneWorkspace(workspace), exchanges, states);
            _devices.Add(device);
            _system.ActorOf(Props.Create(() => new WorkerActor(device, roster)), $"worker-{n}");
        }
        var experiment = new RunCoordinator.RunSettings(
            workspace.Id, workspace.Experiment, workspace.Hash, workspace.Folder, workspace.Files, roster, conditions);
        _coordinator = _system.ActorOf(Props.Create(() => new RunCoordinator(experiment)), "experiment");
    }

    /// <summary>Calls <paramref name="observer"/> for every event of the run, one at a time, in order.</summary>
    public void Observe(Action<RunEvent> observer)
    {
        var listener = _system.ActorOf(Props.Create(() => new Observer(observer)));
        _system.EventStream.Subscribe(listener, typeof(RunEvent));
    }

    /// <summary>Runs the experiment, from where its journal stands, to its end or to the next stop.</summary>
    /// <param name="onlyStage">Runs just this stage again, from its beginning.</param>
    /// <exception cref="IOException">The journal can't be read.</exception>
    public async Task<RunOutcome> Run(string? onlyStage = null)
    {
        var outcome = _coordinator.Ask<RunOutcome>(new RunExperiment(onlyStage), Timeout.InfiniteTimeSpan);
        var died = _coordinator.WatchAsync();
        return await Task.WhenAny(outcome, died) == outcome
            ? await outcome
            : throw new IOException($"the journal {_workspace.Folder.Journal} can't be read: restore it, or start a new run in another " +
            $"--out folder.");
    }

    /// <summary>Asks the run to checkpoint and stop; <see cref="Run"/> then ends with <see cref="RunStopped"/>.</summary>
    public void Stop() => _coordinator.Tell(new StopExperiment());

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _devices.ForEach(d => d.Dispose());
        _workspace.Dispose();
    }

    private sealed class Observer : ReceiveActor
    {
        public Observer(Action<RunEvent> observer) => Receive<RunEvent>(observer);
    }
}
