using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Clustering;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Clustering;

/// <summary>
/// k-means of each modality over feature shards where they lie: centroids go out, sums come back, so that an iteration costs k × D numbers
/// a worker. Then workers write their shards' accumulated pseudo labels, and the session their index. When a worker is lost the shards are
/// dealt anew and it begins again, with the same result: it is short, and sums do not depend on which worker makes them.
/// </summary>
public sealed class ClusteringSession : StageActor
{
    private readonly IReadOnlyList<FeatureShard> _shards;
    private readonly WrittenFile? _previousLabels;
    private readonly RunFolder _folder;
    private readonly ShardLayout _layout;
    private readonly KMeansSettings _settings;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly HashSet<int> _waiting = [];
    private readonly List<KMeansPartial> _partials = [];
    private readonly Dictionary<int, float[]> _rows = [];
    private readonly Dictionary<Modality, Centroids> _converged = [];
    private readonly Dictionary<int, Queue<int>> _unlabeled = [];
    private readonly List<LabeledShard> _labeled = [];
    private IReadOnlyList<int> _members = [];
    private int _round;
    private Modality _modality = Modality.Image;
    private Centroids? _centroids;
    private KMeansPartial? _total;
    private double _previousInertia;
    private int _iteration;

    public ClusteringSession(
        ClusterFeatures spec, IReadOnlyList<FeatureShard> shards, WrittenFile? previousLabels, Experiment experiment, RunFolder folder,
        ShardLayout layout, IEnumerable<Worker> workers)
        : base(spec.Name, workers)
    {
        _shards = shards;
        _previousLabels = previousLabels;
        _folder = folder;
        _layout = layout;
        _settings = ClusterWork.Settings(experiment);
        Receive<ShardsAssigned>(m => IsLast(m.Stage, m.Round, m.Worker), _ => Seed(Modality.Image));
        Receive<CentroidsSeeded>(m => m.Stage == Stage && m.Round == _round, Seeded);
        Receive<ClustersAccumulated>(m => m.Stage == Stage && m.Round == _round && m.Modality == _modality && m.Iteration == _iteration,
            Accumulated);
        Receive<RowsFetched>(m => m.Stage == Stage && m.Round == _round, Fetched);
        Receive<ShardLabeled>(m => m.Stage == Stage && m.Round == _round, Labeled);
        Receive<LabelsIndexed>(m => m.Round == _round, Finish);
        Receive<Status.Failure>(f => Fail(f.Cause));
        // Nothing of the stage is kept half done, and it is short: a run that stops here does it again.
        Receive<StopExperiment>(_ => Context.Parent.Tell(new StageStopped(Stage)));
    }

    private sealed record LabelsIndexed(int Round, WrittenFile Index, IReadOnlyList<int> JointSizes);

    protected override void PreStart() => Deal();

    protected override void OnArrived(Worker worker)
    {
        // It would cost more to deal anew than it could help.
        if (_members.Count == 0) Deal();
    }

    protected override void OnGone(Worker worker)
    {
        if (_members.Contains(worker.Number)) Deal();
    }

    /// <summary>Gives each worker a contiguous run of shards, so that its leaves make few, large subtrees.</summary>
    private void Deal()
    {
        _round++;
        _members = [.. Workers.Keys];
        _waiting.Clear();
        _converged.Clear();
        _unlabeled.Clear();
        _labeled.Clear();
        for (var i = 0; i < _members.Count; i++)
        {
            var (first, end) = (i * _shards.Count / _members.Count, (i + 1) * _shards.Count / _members.Count);
            var shards = _shards.Skip(first).Take(end - first).ToList();
            _unlabeled[_members[i]] = new Queue<int>(shards.Select(s => s.Index));
            Ask(_members[i], new AssignShards(Stage, _round, shards));
        }
    }

    private void Ask(int worker, object request)
    {
        _waiting.Add(worker);
        Workers[worker].Actor.Tell(request);
    }

    private void AskAll(object request)
    {
        foreach (var worker in _members) Ask(worker, request);
    }

    private bool IsLast(string stage, int round, int worker) =>
        stage == Stage && round == _round && _waiting.Remove(worker) && _waiting.Count == 0;

    private void Seed(Modality modality)
    {
        _modality = modality;
        Workers[_members[0]].Actor.Tell(new SeedCentroids(Stage, _round, modality, _shards));
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
        AskAll(new AccumulateClusters(Stage, _round, _modality, _iteration, centroids));
    }

    private void Accumulated(ClustersAccumulated accumulated)
    {
        _partials.AddRange(accumulated.Partials);
        if (!IsLast(accumulated.Stage, accumulated.Round, accumulated.Worker)) return;

        _total = KMeansStep.Total(_partials, _layout.Samples);
        Publish(new StageProgress(Stage, _iteration, _settings.Iterations, _total.Inertia, null, null, _members.Count));
        var reseeds = KMeansStep.Reseeds(_total);
        var converged = _iteration > 0 && reseeds.Count == 0 && KMeansStep.Converged(_previousInertia, _total.Inertia, _settings.Tolerance);
        if (converged || _iteration == _settings.Iterations)
        {
            _converged[_modality] = _centroids!;
            if (_modality == Modality.Image) Seed(Modality.Text);
            else foreach (var worker in _members) LabelNext(worker);
        }
        else if (reseeds.Count > 0)
        {
            _rows.Clear();
            AskAll(new FetchRows(Stage, _round, _modality, [.. reseeds.Select(r => r.Row)]));
        }
        else
        {
            Update([]);
        }
    }

    private void Fetched(RowsFetched fetched)
    {
        foreach (var (row, features) in fetched.Features) _rows[row] = features;
        if (IsLast(fetched.Stage, fetched.Round, fetched.Worker)) Update([.. KMeansStep.Reseeds(_total!).SelectMany(r => _rows[r.Row])]);
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
        if (_unlabeled[worker].TryDequeue(out var shard))
            Workers[worker].Actor.Tell(new LabelShard(Stage, _round, shard, _previousLabels, _converged[Modality.Image],
                _converged[Modality.Text]));
    }

    private void Labeled(ShardLabeled labeled)
    {
        _labeled.Add(labeled.Shard);
        LabelNext(labeled.Worker);
        if (_labeled.Count < _shards.Count) return;
        var (round, all) = (_round, _labeled.ToList());
        Task.Run(() =>
        {
            var index = LabelIndex.Create(_layout, _settings.Clusters, all);
            var path = RunFolder.LabelsFile(Stage);
            return new LabelsIndexed(round, new WrittenFile(path, LabelIndexFile.Write(_folder.Absolute(path), index)), index.JointSizes);
        }).PipeTo(Self);
    }

    private void Finish(LabelsIndexed labels) => Context.Parent.Tell(new CompleteStage(
        Stage,
        new StageResult(labels.Index.Path, labels.Index.Sha256, _clock.Elapsed.TotalSeconds) { ClusterSizes = labels.JointSizes }));
}
