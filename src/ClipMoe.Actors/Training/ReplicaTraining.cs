using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Sampling;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Training;

/// <summary>A worker's part in a training stage: its replica, and the steps it takes with the others. Lives on the device thread.</summary>
internal sealed class ReplicaTraining : IDisposable
{
    /// <summary>Steps whose images are decoded before they are needed.</summary>
    private const int StepsAhead = 8;

    private readonly Workspace _workspace;
    private readonly JoinStage _join;
    private readonly Replica _replica;
    private readonly EpochOrder _order;
    private readonly CosineSchedule _schedule;
    private readonly AdamWSettings _adamW;
    private readonly StepSettings _settings;
    private readonly ReductionTree _tree;
    private LeafRange _leaves;
    private IStepExchange? _exchange;
    private int _committed;
    private int _announced;

    public ReplicaTraining(Workspace workspace, JoinStage join)
    {
        _workspace = workspace;
        _join = join;
        var (spec, experiment) = (join.Spec, workspace.Experiment);
        _order = workspace.OrderOf(spec, join.Labels);
        _schedule = new CosineSchedule(spec.LearningRate, spec.WarmupSteps, join.TotalSteps);
        _adamW = new AdamWSettings(spec.WeightDecay);
        _tree = new ReductionTree(experiment.Batch.Leaves);
        _settings = new StepSettings
        {
            Leaves = experiment.Batch.Leaves,
            RouterLossWeight = experiment.Router.LossWeight,
            RouterLossTokens = experiment.Router.LossTokens,
            ExpertDropout = spec.Trains == TrainedPart.Routers ? experiment.Router.ExpertDropout : 0,
            Seed = experiment.Seed + (ulong)workspace.StreamOf(spec.Name),
        };
        _replica = join.Model is null
            ? workspace.Models.Create(workspace.ScratchConfig, LockingOf(spec))
            : workspace.Models.Load(join.Model, LockingOf(spec));
        if (join.Checkpoint is { } sha256) TrainingCheckpoints.Read(workspace.Checkpoints(spec.Name).Open(join.Step, sha256), _replica);
        _committed = _announced = join.Step;
    }

    /// <summary>Equal on all workers, or they must not train together.</summary>
    public string StateHash => _replica.Hash().ToString("x32");

    public void Enter(OpenGeneration generation, IStepExchange exchange)
    {
        _leaves = generation.Leaves;
        _exchange = exchange;
        _announced = _committed;
    }

    /// <summary>The step up to its reduced gradient; weights are as before.</summary>
    public GradientReady Compute(StepId id, int worker)
    {
        if (id.Step != _committed) throw new InvalidOperationException($"step {id.Step} of {id.Stage} was planned, but the replica is at {_committed}");
        var exchange = _exchange ?? throw new InvalidOperationException("a step was planned before its generation was opened");
        Announce(id.Step);
        using var step = new TrainingStep(_replica, _settings, id.Step);
        var features = exchange.Gather(step.Features(MicroShards(id.Step)));
        var normalisers = exchange.Gather(step.Normalise(features));
        var gradients = step.Backward(normalisers, out var losses);
        var hash = exchange.Reduce(_tree, [.. gradients.Select(g => (g.Node, g.Values))], _replica.ReducedGradient);
        return new GradientReady(id, worker, hash.ToString("x32"), losses, _schedule.At(id.Step));
    }

    /// <summary>The committed step's update.</summary>
    public void Apply(StepId id)
    {
        if (id.Step != _committed) throw new InvalidOperationException($"step {id.Step} of {id.Stage} was committed, but the replica is at {_committed}");
        _replica.Apply(_schedule.At(id.Step), _adamW);
        _committed++;
    }

    /// <summary>The state after the committed steps, and after the last one the finished model too.</summary>
    public CheckpointWritten WriteCheckpoint()
    {
        var stage = _join.Spec.Name;
        var provenance = _workspace.Provenance(stage, _committed);
        var checkpoint = TrainingCheckpoints.Write(_workspace.Checkpoints(stage), _replica, stage, _committed, provenance);
        WrittenFile? model = null;
        if (_committed == _join.TotalSteps)
        {
            var file = RunFolder.ModelFile(stage);
            model = new WrittenFile(file, _workspace.Models.Save(file, _replica, provenance));
        }
        return new CheckpointWritten(stage, _committed, checkpoint.ManifestSha256, model);
    }

    public void Dispose()
    {
        _replica.Dispose();
        _order.Dispose();
    }

    private Locking LockingOf(TrainModel spec) => spec.Trains switch
    {
        TrainedPart.Everything => new Locking(TrainedParts.All, LearnTemperature: spec.From is null),
        TrainedPart.Ffns => Locking.ExceptFfn(),
        TrainedPart.Routers => Locking.ExceptRouter,
        TrainedPart.ExpertsAndRouters => Locking.ExceptExperts,
        _ => throw new ArgumentOutOfRangeException(nameof(spec), spec.Trains.ToString()),
    };

    private void Announce(int step)
    {
        var until = Math.Min(_join.TotalSteps, step + StepsAhead);
        for (_announced = Math.Max(_announced, step); _announced < until; _announced++)
        {
            var batch = _order.Batch(_announced);
            var (first, end) = RowsOf(batch.Length);
            _workspace.Data.Loader.Announce(SamplesOf(batch, first, end));
        }
    }

    private List<MicroShard> MicroShards(int step)
    {
        var batch = _order.Batch(step);
        var (data, context) = (_workspace.Data, _replica.Layout.Config.ContextLength);
        var shards = new List<MicroShard>();
        for (var leaf = _leaves.First; leaf < _leaves.End; leaf++)
        {
            var (from, to) = LeafPartition.Rows(leaf, batch.Length, _settings.Leaves);
            var samples = data.Loader.Get(SamplesOf(batch, from, to), CancellationToken.None);
            var shortTokens = _workspace.Experiment.Data.ShortText ? data.Tokens(samples.Captions, context, shortCaption: true) : null;
            shards.Add(new MicroShard(leaf, to - from, samples.Images, data.Tokens(samples.Captions, context), shortTokens));
        }
        return shards;
    }

    private (int First, int End) RowsOf(int batchSize) => (
        LeafPartition.Rows(_leaves.First, batchSize, _settings.Leaves).From,
        LeafPartition.Rows(_leaves.End - 1, batchSize, _settings.Leaves).To);

    private int[] SamplesOf(int[] batch, int from, int to)
    {
        var samples = new int[to - from];
        for (var i = 0; i < samples.Length; i++) samples[i] = _workspace.Data.Train[batch[from + i]];
        return samples;
    }
}
