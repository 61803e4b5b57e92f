using ClipMoe.Actors.Clustering;
using ClipMoe.Actors.Extraction;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Compute;

/// <summary>
/// A device with its thread and what is on it. It outlives the actor: a process that was removed from its cluster rejoins with its
/// replica as it was.
/// </summary>
public sealed class DeviceContext(WorkerInfo info, IWorkspaces workspaces, IExchangeProvider exchanges, ReplicaStates states) : IDisposable
{
    private readonly CancellationTokenSource _closing = new();

    internal WorkerInfo Info => info;
    internal IWorkspaces Workspaces => workspaces;
    internal IExchangeProvider Exchanges => exchanges;
    internal ReplicaStates States => states;
    internal DeviceThread Thread { get; } = new($"device-{info.Name}", info.Device.Threads);
    internal GenerationFence Fence { get; set; } = new(exchanges);
    internal Workspace? Workspace { get; set; }

    /// <summary>Ends work that goes over many samples when the device is disposed of.</summary>
    internal CancellationToken Closing => _closing.Token;

    // Touched on the device thread only.
    internal ReplicaTraining? Training { get; set; }
    internal FeatureWork? Features { get; set; }
    internal ClusterWork? Clusters { get; set; }

    /// <summary>What is to go wrong, in tests and drills.</summary>
    public FaultInjection Faults { get; init; } = FaultInjection.None;

    /// <summary>Work of other stages than training that waits until it is released, in tests and drills.</summary>
    public StepHolds Holds { get; init; } = StepHolds.None;

    /// <summary>Told where files of runs can be fetched.</summary>
    public Action<IReadOnlyList<BulkEndpoint>> FileServers { get; init; } = _ => { };

    public void Dispose()
    {
        Fence.Close();
        _closing.Cancel();
        Thread.Run(FreeTensors);
        Thread.Dispose();
        _closing.Dispose();
    }

    internal FeatureWork FeaturesOf(ExtractShard shard)
    {
        if (Features?.Stage != shard.Stage) FreeTensors();
        return Features ??= new FeatureWork(Workspace!, shard);
    }

    /// <summary>
    /// What a stage left, unless another has begun here already: the end of one and the beginning of the next may overtake each other.
    /// </summary>
    internal void FreeTensors(string stage)
    {
        if (Training?.Stage == stage || Features?.Stage == stage || Clusters?.Stage == stage) FreeTensors();
    }

    internal void FreeTensors()
    {
        Training?.Dispose();
        Features?.Dispose();
        (Training, Features, Clusters) = (null, null, null);
    }
}
