using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Transport;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Sampling;
using ClipMoe.Model.Tensors;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Training;

/// <summary>A worker's part in a training stage: its replica, and the steps it takes with the others. Lives on the device thread.</summary>
internal sealed class ReplicaTraining : IDisposable
{
    /// <summary>Steps whose images are decoded before they are needed.</summary>
    private const int StepsAhead = 8;

    public static readonly Metric LearningRate = new("learning_rate", MetricKind.Mean, Exact: true);

    private readonly Workspace _workspace;
    private readonly JoinStage _join;
    private readonly ReplicaStates _states;
    private readonly FaultInjection _faults;
    private int _worker;
    private readonly Replica _replica;
    private readonly EpochOrder _order;
    private readonly CosineSchedule _schedule;
    private readonly AdamWSettings _adamW;
    private readonly StepSettings _settings;
    private readonly ReductionTree _tree;
    private readonly StepClock _clock = new();
    private LeafRange _leaves;

    /// <summary>Writes to the generation's aggregator.</summary>
    private MetricWriter _metrics = new();
    private int _committed;
    private int _prefetched;
    private string? _lastGradient;
    private string? _pendingGradient;

    /// <summary>Builds the replica that the stage starts or resumes from.</summary>
    /// <param name="states">Where other workers copy it from.</param>
    public ReplicaTraining(Workspace workspace, JoinStage join, ReplicaStates states, FaultInjection faults)
    {
        _workspace = workspace;
        _join = join;
        _states = states;
        _faults = faults;
        faults.Reach(join.Spec.Name, join.Step, WorkPhase.Join);
        var (spec, experiment) = (join.Spec, workspace.Experiment);
        _order = workspace.OrderOf(spec, join.Labels);
        TotalSteps = spec.Duration.Steps ?? checked(spec.Duration.Epochs * _order.BatchesPerEpoch);
        _schedule = new CosineSchedule(spec.LearningRate, spec.WarmupSteps, TotalSteps);
        _adamW = new AdamWSettings(spec.WeightDecay);
        _tree = new ReductionTree(experiment.Batch.Leaves, experiment.Batch.Gradients);
        _settings = new StepSettings
        {
            Leaves = experiment.Batch.Leaves,
            Gradients = experiment.Batch.Gradients,
            RouterLossWeight = experiment.Router.LossWeight,
            RouterZLossWeight = experiment.Router.ZLossWeight,
            RouterLossTokens = experiment.Router.LossTokens,
            ExpertDropout = spec.Trains == TrainedPart.Routers ? experiment.Router.ExpertDropout : 0,
            Seed = experiment.Seed + (ulong)workspace.StreamOf(spec.Name),
            Metrics = experiment.Logging.Metrics,
        };
        _replica = join.Model is null
            ? workspace.Models.Create(workspace.ScratchConfig, TrainableIn(spec))
            : workspace.Models.Load(join.Model, TrainableIn(spec));
        if (join.Checkpoint is { } sha256) TrainingCheckpoints.Read(workspace.Files.Checkpoint(spec.Name, join.Step, sha256), _replica);
        _committed = _prefetched = join.Step;
    }

    public string Stage => _join.Spec.Name;

    /// <summary>The worker's number, which another coordinator may change.</summary>
    public int Worker
    {
        get => _worker;
        set
        {
            _states.Withdraw(Stage, _worker);
            _worker = value;
            _states.Offer(Stage, _worker, _replica);
        }
    }

    public int TotalSteps { get; }

    public ReplicaPosition Position => new(_committed, _replica.Hash().ToString("x32"), _lastGradient, _pendingGradient);

    /// <summary>Whether this replica serves a session that asks for it again, for instance on behalf of another coordinator.</summary>
    public bool Serves(JoinStage join) => _committed >= join.Step
        && (_join with { Step = 0, Checkpoint = null }) == (join with { Step = 0, Checkpoint = null });

    /// <summary>The generation that it takes part in, and what the members meet in.</summary>
    public (int Generation, IStepExchange Exchange)? Entered { private get; set; }

    /// <summary>Gets to where a generation begins.</summary>
    /// <exception cref="StateCopyException">The state could not be copied from any donor.</exception>
    public void Enter(OpenGeneration generation, CancellationToken cancellation)
    {
        Entered = null;
        _metrics = new MetricWriter();
        _clock.Clear();
        _leaves = generation.Leaves;
        switch (generation.Entry)
        {
            case CatchUp.Apply when _pendingGradient is not null && _committed == generation.Step - 1:
                Apply(_committed);
                break;
            case CatchUp.Copy:
                // Until the copy is complete this replica stands nowhere.
                _committed = -1;
                (_lastGradient, _pendingGradient) = (null, null);
                Copy(generation, cancellation);
                _committed = generation.Step;
                break;
            case CatchUp.InPlace when _committed == generation.Step:
                break;
            default:
                throw new InvalidOperationException($"{Stage} begins at step {generation.Step}, but the replica is at {_committed}");
        }
        _prefetched = _committed;
    }

    /// <summary>The step up to its reduced gradient; weights are as before.</summary>
    /// <exception cref="OperationCanceledException">Its generation could not be entered, for instance because a member was
    /// lost.</exception>
    public GradientReady Compute(StepId id)
    {
        if (Entered is not var (generation, exchange) || generation != id.Generation)
            throw new OperationCanceledException($"step {id.Step} of {id.Stage} is of generation {id.Generation}, which was not entered");
        if (id.Step != _committed) throw new InvalidOperationException(
            $"step {id.Step} of {id.Stage} was planned, but the replica is at {_committed}");
        _pendingGradient = null;
        Prefetch(id.Step);
        using var step = new TrainingStep(_replica, _settings, id.Step, _clock);
        _faults.Reach(Stage, id.Step, WorkPhase.Features);
        var mine = step.Features(In(StepPhase.DataWait, () => MicroBatches(id.Step)));
        var features = In(StepPhase.Exchange, () => exchange.Gather(mine));
        _faults.Reach(Stage, id.Step, WorkPhase.LogSumExps);
        step.BeginLoss(features);
        for (var round = 0; round < step.Rounds; round++)
        {
            var published = step.Publish();
            var blocks = In(StepPhase.Exchange, () => exchange.Gather(published));
            step.Receive(blocks);
        }

        _faults.Reach(Stage, id.Step, WorkPhase.Gradient);
        // Nearly all of the text tower's gradient travels while the image tower's is computed.
        using var textBlocks = Reduce(step.BackwardText(), _replica.Layout.TextBlocks);
        var gradients = step.BackwardImages(out var metrics);
        var text = In(StepPhase.Exchange, textBlocks.Complete);
        using var rest = Reduce(gradients, _replica.Layout.BeforeTextBlocks);
        _pendingGradient = GradientChunks.Hash(text, In(StepPhase.Exchange, rest.Complete)).ToString("x32");
        _faults.Reach(Stage, id.Step, WorkPhase.Ready);
        var stateHash = In(StepPhase.Update, () => _replica.TrainedHash().ToString("x32"));
        return new GradientReady(id, _worker, _pendingGradient, stateHash, Report(metrics, id.Step));

        ISumInProgress Reduce(IReadOnlyList<SubtreeGradient> mine, GradientRange part) =>
            exchange.BeginReduce(_tree, [.. mine.Select(g => (g.Node, g.Values))], _replica.ReducedGradient, part);
    }

    /// <summary>The committed step's update.</summary>
    public void Apply(int step)
    {
        if (step != _committed || _pendingGradient is null)
            throw new InvalidOperationException($"step {step} of {Stage} was committed, but the replica is at {_committed}");
        using var phase = _clock.Enter(StepPhase.Update);
        _replica.Apply(_schedule.At(step), _adamW);
        if (_faults.Reach(Stage, step, WorkPhase.Commit)) Corrupt();
        _committed++;
        (_lastGradient, _pendingGradient) = (_pendingGradient, null);
    }

    /// <summary>Where the last step of a generation led.</summary>
    public StateReached Reached(StepId next) => new(next, _worker, _replica.TrainedHash().ToString("x32"));

    /// <summary>The state after the committed steps, and after the last one the finished model too.</summary>
    public CheckpointWritten WriteCheckpoint()
    {
        var provenance = _workspace.Provenance(Stage, _committed);
        _faults.Reach(Stage, _committed, WorkPhase.Checkpoint);
        var checkpoint = TrainingCheckpoints.Write(
            _workspace.Files.Checkpoints(Stage), _replica, Stage, _committed, provenance,
            halfway: () => _faults.Reach(Stage, _committed, WorkPhase.HalfCheckpoint));
        WrittenFile? model = null;
        if (_committed == TotalSteps)
        {
            var file = RunFolder.ModelFile(Stage);
            model = new WrittenFile(file, _workspace.Models.Save(file, _replica, provenance));
        }
        return new CheckpointWritten(Stage, _committed, _worker, checkpoint.ManifestSha256, model);
    }

    public void Dispose()
    {
        _states.Withdraw(Stage, _worker);
        _replica.Dispose();
        _order.Dispose();
    }

    private T In<T>(StepPhase phase, Func<T> work)
    {
        using var scope = _clock.Enter(phase);
        return work();
    }

    /// <summary>What the worker tells of a step: the shares of its leaves, and with the first of them what it measured once.</summary>
    private MetricReport Report(MetricBag[] leaves, int step)
    {
        leaves[0].Add(LearningRate, _schedule.At(step));
        if (_settings.Metrics == MeasuredMetrics.All)
        {
            for (var i = 0; i < leaves.Length; i++)
                GradientMetrics.Add(leaves[i], _replica.ReducedGradient.Span, _leaves.First + i, _settings.Leaves);
            _clock.Empty(leaves[0]);
        }

        return _metrics.Write(MetricBag.Join(_tree.MaximalSubtrees(_leaves.First, _leaves.End), leaves));
    }

    private void Copy(OpenGeneration generation, CancellationToken cancellation)
    {
        try
        {
            _states.Copy(Stage, generation.Step, generation.Donors, _replica, cancellation);
        }
        catch (IOException e)
        {
            throw new StateCopyException(e.Message, e);
        }
    }

    private void Corrupt()
    {
        var weight = new float[1];
        _replica.ReadState(0, weight);
        weight[0] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(weight[0]) ^ 1);
        _replica.WriteState(0, weight, _replica.Updates);
    }

    private TrainableParameters TrainableIn(TrainModel spec)
    {
        var trainable = spec.Trains switch
        {
            TrainedPart.Everything => TrainableParameters.All,
            TrainedPart.Ffns => TrainableParameters.FfnOnly(),
            TrainedPart.Routers => TrainableParameters.RouterOnly,
            TrainedPart.ExpertsAndRouters => TrainableParameters.ExpertsAndRouters,
            _ => throw new ArgumentOutOfRangeException(nameof(spec), spec.Trains.ToString()),
        };
        return trainable with { LearnLogits = spec.From is null || _workspace.Experiment.Training.Loss.LearnsInEveryStage() };
    }

    private void Prefetch(int step)
    {
        var until = Math.Min(TotalSteps, step + StepsAhead);
        for (_prefetched = Math.Max(_prefetched, step); _prefetched < until; _prefetched++)
        {
            var batch = _order.Batch(_prefetched);
            var (first, end) = RowsOf(batch.Length);
            _workspace.Data.Loader.Prefetch(SamplesOf(batch, first, end));
        }
    }

    private List<MicroBatch> MicroBatches(int step)
    {
        var batch = _order.Batch(step);
        var (data, context) = (_workspace.Data, _replica.Layout.Config.ContextLength);
        var microBatches = new List<MicroBatch>();
        for (var leaf = _leaves.First; leaf < _leaves.End; leaf++)
        {
            var (from, to) = LeafPartition.Rows(leaf, batch.Length, _settings.Leaves);
            var samples = data.Loader.Get(SamplesOf(batch, from, to), CancellationToken.None);
            var shortTokens = _workspace.Experiment.Data.ShortText ? data.Tokens(samples.Captions, context, shortCaption: true) : null;
            microBatches.Add(new MicroBatch(leaf, to - from, samples.Images, data.Tokens(samples.Captions, context), shortTokens));
        }
        return microBatches;
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

/// <summary>
/// The state of a generation could not be copied from those that have it. The message continues after "could not copy the state: ".
/// </summary>
internal sealed class StateCopyException(string message, IOException inner) : IOException(message, inner);
