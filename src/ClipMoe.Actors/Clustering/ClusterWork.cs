using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clustering;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Sampling;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Actors.Clustering;

/// <summary>A worker's part in k-means: the feature shards that it was given, in memory for the length of the stage.</summary>
internal sealed class ClusterWork(Workspace workspace, AssignShards assignment)
{
    private readonly IReadOnlyList<LoadedShard> _shards = [.. assignment.Shards.Select(s => LoadedShard.Read(workspace, s))];
    private ShardedLabels? _previous;

    public string Stage => assignment.Stage;

    /// <summary>The best start for a modality, from a sample of all shards (read from their files, wherever they were assigned).</summary>
    public static CentroidsSeeded Seed(Workspace workspace, SeedCentroids request)
    {
        var rows = workspace.Data.Train.Length;
        var settings = Settings(workspace.Experiment);
        var key = RandomKey.FromSeed(workspace.Experiment.Seed).Derive(workspace.StreamOf(request.Stage)).Derive((int)request.Modality);
        var wanted = KMeansSeeding.SampleRows(key, rows, settings.Clusters);
        var sample = Array.Empty<float>();
        var (dimension, next) = (0, 0);
        foreach (var shard in request.AllShards)
        {
            var features = LoadedShard.Read(workspace, shard)[request.Modality];
            dimension = features.Dimension;
            if (sample.Length == 0) sample = new float[wanted.Length * dimension];
            for (; next < wanted.Length && wanted[next] < features.FirstRow + features.Rows; next++)
                features.Row(wanted[next] - features.FirstRow).CopyTo(sample.AsSpan(next * dimension));
        }
        return new CentroidsSeeded(request.Stage, request.Round, request.Modality, KMeansSeeding.Best(key, sample, dimension, settings,
            workspace.Device.Threads));
    }

    public static KMeansSettings Settings(Experiment experiment) => new()
    {
        Clusters = experiment.Mcl.Clusters,
        Iterations = experiment.Mcl.KMeansIterations,
        Restarts = experiment.Mcl.KMeansRestarts,
    };

    public ClustersAccumulated Accumulate(AccumulateClusters request, int worker) => new(
        request.Stage, request.Round, request.Modality, request.Iteration, worker,
        [.. _shards.SelectMany(s => s[request.Modality].Accumulate(request.Centroids, workspace.Device.Threads))]);

    public RowsFetched Fetch(FetchRows request, int worker)
    {
        var found = new Dictionary<int, float[]>();
        foreach (var shard in _shards.Select(s => s[request.Modality]))
            foreach (var row in request.Rows.Where(r => r >= shard.FirstRow && r < shard.FirstRow + shard.Rows))
                found[row] = shard.Row(row - shard.FirstRow).ToArray();
        return new RowsFetched(request.Stage, request.Round, worker, found);
    }

    /// <summary>The labels that the samples of a shard had after the stage before, with this stage's clusters behind them.</summary>
    public ShardLabeled Label(LabelShard request, int worker)
    {
        var (threads, k) = (workspace.Device.Threads, workspace.Experiment.Mcl.Clusters);
        var shard = _shards.First(s => s.Index == request.Shard);
        var joint = PseudoLabels.Joint(shard.Text.Assign(request.Text, threads), shard.Image.Assign(request.Image, threads), k);
        var before = request.PreviousLabels is { } index ? Previous(index).Read(shard.Index) : PseudoLabels.None(joint.Length, k);
        var path = LabelIndexFile.ShardPath(workspace.Folder.Absolute(RunFolder.LabelsFile(request.Stage)), shard.Index);
        return new ShardLabeled(request.Stage, request.Round, worker, LabelShardFile.Write(path, shard.Index, before.Accumulate(joint)));
    }

    private ShardedLabels Previous(WrittenFile index) => _previous ??= workspace.LabelsOf(index);

    /// <summary>Both modalities of one shard.</summary>
    private sealed record LoadedShard(int Index, KMeansShard Image, KMeansShard Text)
    {
        public KMeansShard this[Modality modality] => modality == Modality.Image ? Image : Text;

        public static LoadedShard Read(Workspace workspace, FeatureShard shard)
        {
            using var file = TensorFile.Open(workspace.Files.Local(shard.File));
            return new LoadedShard(shard.Index, Features("image"), Features("text"));

            KMeansShard Features(string name)
            {
                var (values, shape) = HostTensors.ReadFloats(file, name);
                return new KMeansShard(values, (int)shape[1], shard.FirstSample);
            }
        }
    }
}
