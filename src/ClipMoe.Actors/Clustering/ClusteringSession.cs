using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Clustering;

namespace ClipMoe.Actors.Clustering;

/// <summary>
/// k-means of each modality over feature shards where they lie: centroids go out, sums come back, so that an iteration costs k × D numbers a
/// worker. Then every sample's clusters are written and the pseudo labels accumulated.
/// </summary>
public sealed class ClusteringSession : ReceiveActor
{
    private readonly ClusterFeatures _spec;
    private readonly IReadOnlyList<FeatureShard> _shards;
    private readonly string? _previousLabels;
    private readonly Workspace _workspace;
    private readonly IReadOnlyDictionary<int, IActorRef> _workers;
    private readonly KMeansSettings _settings;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly HashSet<int> _waiting = [];
    private readonly List<KMeansPartial> _partials = [];
    private readonly Dictionary<int, float[]> _rows = [];
    private readonly Dictionary<Modality, Centroids> _converged = [];
    private readonly List<string> _clusterFiles = [];
    private Modality _modality = Modality.Image;
    private Centroids? _centroids;
    private KMeansPartial? _total;
    private double _previousInertia;
    private int _iteration;

    public ClusteringSession(
        ClusterFeatures spec, IReadOnlyList<FeatureShard> shards, string? previousLabels, Workspace workspace, IReadOnlyDictionary<int, IActorRef> workers)
    {
        _spec = spec;
        _shards = shards;
        _previousLabels = previousLabels;
        _workspace = workspace;
        _workers = workers;
        _settings = ClusterWork.Settings(workspace.Experiment);
        Receive<ShardsAssigned>(m => IsLast(m.Stage, m.Worker), _ => Seed(Modality.Image));
        Receive<CentroidsSeeded>(m => m.Stage == spec.Name, Seeded);
        Receive<ClustersAccumulated>(m => m.Stage == spec.Name && m.Modality == _modality && m.Iteration == _iteration, Accumulated);
        Receive<RowsFetched>(Fetched);
        Receive<ShardsLabelled>(Labelled);
        Receive<LabelsAccumulated>(Finish);
        Receive<WorkFailed>(f => f.Stage == spec.Name, f => Context.Parent.Tell(new StageFailed(spec.Name, f.Cause)));
        Receive<Status.Failure>(f => Context.Parent.Tell(new StageFailed(spec.Name, f.Cause)));
        // Nothing of the stage is kept half done, and it is short: a run that stops here does it again.
        Receive<StopExperiment>(_ => Context.Parent.Tell(new StageStopped(spec.Name)));
    }

    private sealed record LabelsAccumulated(WrittenFile File, IReadOnlyList<int> Sizes);

    protected override void PreStart()
    {
        var workers = _workers.Keys.Order().ToList();
        for (var i = 0; i < workers.Count; i++)
        {
            // Contiguous runs, so that a worker's leaves make few, large subtrees.
            var (first, end) = (i * _shards.Count / workers.Count, (i + 1) * _shards.Count / workers.Count);
            Ask(workers[i], new AssignShards(_spec.Name, [.. _shards.Skip(first).Take(end - first)]));
        }
    }

    protected override void PostStop()
    {
        foreach (var worker in _workers.Values) worker.Tell(new LeaveStage(_spec.Name));
    }

    private void Ask(int worker, object request)
    {
        _waiting.Add(worker);
        _workers[worker].Tell(request);
    }

    private void AskAll(object request)
    {
        foreach (var worker in _workers.Keys) Ask(worker, request);
    }

    private bool IsLast(string stage, int worker) => stage == _spec.Name && _waiting.Remove(worker) && _waiting.Count == 0;

    private void Seed(Modality modality)
    {
        _modality = modality;
        _workers.Values.First().Tell(new SeedCentroids(_spec.Name, modality, _shards));
    }

    private void Seeded(CentroidsSeeded seeded)
    {
        _iteration = 0;
        Iterate(seeded.Centroids);
    }

    private void Iterate(Centroids centroids)
    {
        _centroids = centroids;
        _partials.Clear();
        AskAll(new AccumulateClusters(_spec.Name, _modality, _iteration, centroids));
    }

    private void Accumulated(ClustersAccumulated accumulated)
    {
        _partials.AddRange(accumulated.Partials);
        if (!IsLast(accumulated.Stage, accumulated.Worker)) return;

        _total = KMeansStep.Total(_partials, _workspace.Data.Train.Length);
        Context.System.EventStream.Publish(new StageProgress(
            _spec.Name, _iteration, _settings.Iterations, _total.Inertia, null, null, _workers.Count));
        var reseeds = KMeansStep.Reseeds(_total);
        var converged = _iteration > 0 && reseeds.Count == 0 && KMeansStep.Converged(_previousInertia, _total.Inertia, _settings.Tolerance);
        if (converged || _iteration == _settings.Iterations)
        {
            _converged[_modality] = _centroids!;
            if (_modality == Modality.Image) Seed(Modality.Text);
            else AskAll(new LabelShards(_spec.Name, _converged[Modality.Image], _converged[Modality.Text]));
        }
        else if (reseeds.Count > 0)
        {
            _rows.Clear();
            AskAll(new FetchRows(_spec.Name, _modality, [.. reseeds.Select(r => r.Row)]));
        }
        else
        {
            Update([]);
        }
    }

    private void Fetched(RowsFetched fetched)
    {
        foreach (var (row, features) in fetched.Features) _rows[row] = features;
        if (IsLast(fetched.Stage, fetched.Worker)) Update([.. KMeansStep.Reseeds(_total!).SelectMany(r => _rows[r.Row])]);
    }

    private void Update(float[] reseedFeatures)
    {
        _previousInertia = _total!.Inertia;
        _iteration++;
        Iterate(KMeansStep.Update(_total, _centroids!, reseedFeatures));
    }

    private void Labelled(ShardsLabelled labelled)
    {
        _clusterFiles.AddRange(labelled.Files);
        if (!IsLast(labelled.Stage, labelled.Worker)) return;
        var files = _clusterFiles.Order(StringComparer.Ordinal).ToList();
        Task.Run(() =>
        {
            var (file, sizes) = LabelFile.Accumulate(_workspace, _spec.Name, _previousLabels, files);
            return new LabelsAccumulated(file, sizes);
        }).PipeTo(Self);
    }

    private void Finish(LabelsAccumulated labels) => Context.Parent.Tell(new StageDone(
        _spec.Name,
        new StageResult(labels.File.Path, labels.File.Sha256, _clock.Elapsed.TotalSeconds) { ClusterSizes = labels.Sizes }));
}
