using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Clustering;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Clustering;

/// <summary>
/// k-means of each modality over feature shards where they lie: centroids go out, sums come back, so that an iteration costs k × D numbers a
/// worker. Then workers write their shards' accumulated pseudo labels, and the session their index.
/// </summary>
public sealed class ClusteringSession : ReceiveActor
{
    private readonly ClusterFeatures _spec;
    private readonly IReadOnlyList<FeatureShard> _shards;
    private readonly WrittenFile? _previousLabels;
    private readonly Workspace _workspace;
    private readonly IReadOnlyDictionary<int, IActorRef> _workers;
    private readonly KMeansSettings _settings;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly HashSet<int> _waiting = [];
    private readonly List<KMeansPartial> _partials = [];
    private readonly Dictionary<int, float[]> _rows = [];
    private readonly Dictionary<Modality, Centroids> _converged = [];
    private readonly Dictionary<int, Queue<int>> _unlabelled = [];
    private readonly List<LabelledShard> _labelled = [];
    private Modality _modality = Modality.Image;
    private Centroids? _centroids;
    private KMeansPartial? _total;
    private double _previousInertia;
    private int _iteration;

    public ClusteringSession(
        ClusterFeatures spec, IReadOnlyList<FeatureShard> shards, WrittenFile? previousLabels, Workspace workspace,
        IReadOnlyDictionary<int, IActorRef> workers)
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
        Receive<ShardLabelled>(m => m.Stage == spec.Name, Labelled);
        Receive<LabelsIndexed>(Finish);
        Receive<WorkFailed>(f => f.Stage == spec.Name, f => Context.Parent.Tell(new StageFailed(spec.Name, f.Cause)));
        Receive<Status.Failure>(f => Context.Parent.Tell(new StageFailed(spec.Name, f.Cause)));
        // Nothing of the stage is kept half done, and it is short: a run that stops here does it again.
        Receive<StopExperiment>(_ => Context.Parent.Tell(new StageStopped(spec.Name)));
    }

    private sealed record LabelsIndexed(WrittenFile Index, IReadOnlyList<int> JointSizes);

    protected override void PreStart()
    {
        var workers = _workers.Keys.Order().ToList();
        for (var i = 0; i < workers.Count; i++)
        {
            // Contiguous runs, so that a worker's leaves make few, large subtrees.
            var (first, end) = (i * _shards.Count / workers.Count, (i + 1) * _shards.Count / workers.Count);
            var shards = _shards.Skip(first).Take(end - first).ToList();
            _unlabelled[workers[i]] = new Queue<int>(shards.Select(s => s.Index));
            Ask(workers[i], new AssignShards(_spec.Name, shards));
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
            else foreach (var worker in _workers.Keys) LabelNext(worker);
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

    /// <summary>One shard at a time, so that no message grows with the data set.</summary>
    private void LabelNext(int worker)
    {
        if (_unlabelled[worker].TryDequeue(out var shard))
            _workers[worker].Tell(new LabelShard(_spec.Name, shard, _previousLabels, _converged[Modality.Image], _converged[Modality.Text]));
    }

    private void Labelled(ShardLabelled labelled)
    {
        _labelled.Add(labelled.Shard);
        LabelNext(labelled.Worker);
        if (_labelled.Count < _shards.Count) return;
        Task.Run(() =>
        {
            var index = LabelIndex.Of(_workspace.Shards, _settings.Clusters, _labelled);
            var path = RunFolder.LabelsFile(_spec.Name);
            return new LabelsIndexed(new WrittenFile(path, LabelIndexFile.Write(_workspace.Folder.Absolute(path), index)), index.JointSizes);
        }).PipeTo(Self);
    }

    private void Finish(LabelsIndexed labels) => Context.Parent.Tell(new StageDone(
        _spec.Name,
        new StageResult(labels.Index.Path, labels.Index.Sha256, _clock.Elapsed.TotalSeconds) { ClusterSizes = labels.JointSizes }));
}
