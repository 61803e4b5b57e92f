using ClipMoe.Model.Architecture;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Training;

/// <summary>
/// One worker's part in one training step, in phases between which workers exchange host memory: <see cref="Features"/>,
/// <see cref="BeginLoss"/>, as many <see cref="Rounds"/> of <see cref="Publish"/> and <see cref="Receive"/> as the loss needs,
/// <see cref="BackwardText"/> and <see cref="BackwardImages"/>. All calls come from the thread that owns the replica. Each leaf is computed
/// by itself, in a shape that depends on the leaf alone, so results have the same bits whichever worker computes it.
/// </summary>
public sealed class TrainingStep : IDisposable
{
    private readonly Replica _replica;
    private readonly StepSettings _settings;
    private readonly int _step;
    private readonly StepClock _clock;
    private readonly double[] _logits;
    private readonly List<(int Leaf, MicroBatchPass? Pass)> _mine = [];
    private IReadOnlyList<SubtreeGradient> _gradients = [];
    private IReadOnlyList<MicroBatchFeatures> _all = [];
    private Tensor[] _joined = [];
    private ContrastiveObjective[] _objectives = [];
    private int _received;
    private bool _textIsDone;

    /// <param name="step">Number of the step, for the dropout masks.</param>
    /// <param name="clock">Told what the step spends its time on; null for none.</param>
    public TrainingStep(Replica replica, StepSettings settings, int step, StepClock? clock = null)
    {
        if (settings.Leaves % settings.ReferenceWorld != 0)
            throw new ArgumentException($"{settings.Leaves} leaves cannot be dealt evenly to {settings.ReferenceWorld} ranks");
        (_replica, _settings, _step, _clock) = (replica, settings, step, clock ?? new StepClock());
        _logits = [.. replica.Layout.Config.Loss.LogitParameters().Select(p => replica.ReadNumber(p.Name))];
    }

    /// <summary>Forward passes of this worker's leaves, consecutive and ascending; their graphs are kept.</summary>
    public MicroBatchFeatures[] Features(IReadOnlyList<MicroBatch> mine)
    {
        using var phase = _clock.Enter(StepPhase.Loss);
        var published = new MicroBatchFeatures[mine.Count];
        for (var i = 0; i < mine.Count; i++)
        {
            if (i > 0 && mine[i].Leaf != mine[i - 1].Leaf + 1)
                throw new ArgumentException("a worker's leaves must be consecutive and ascending");
            var pass = mine[i].Rows == 0 ? null : new MicroBatchPass(_replica, _settings, _step, mine[i], _clock);
            _mine.Add((mine[i].Leaf, pass));
            published[i] = pass?.Publish() ?? EmptyMicroBatch(mine[i]);
        }

        return published;
    }

    /// <summary>Begins the loss of the global batch.</summary>
    /// <param name="all">Features of all leaves, in leaf order.</param>
    public void BeginLoss(IReadOnlyList<MicroBatchFeatures> all)
    {
        if (all.Count != _settings.Leaves)
            throw new ArgumentException($"features of {_settings.Leaves} leaves are needed, not of {all.Count}");
        using var phase = _clock.Enter(StepPhase.Loss);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        _all = all;
        var image_NC = Join(all, f => f.Image);
        var text_NC = Join(all, f => f.Text);
        var short_NC = all[0].ShortText is null ? null : Join(all, f => f.ShortText!);
        _joined = short_NC is null ? [image_NC, text_NC] : [image_NC, text_NC, short_NC];
        _objectives = [.. _joined.Skip(1).Select(texts_NC =>
            ContrastiveObjective.Create(_replica.Layout.Config.Loss, _logits, image_NC, texts_NC, _settings.LabelSmoothing))];
        foreach (var (leaf, pass) in _mine) pass?.Begin(_objectives[0], _objectives.ElementAtOrDefault(1), FirstRow(leaf));
    }

    /// <summary>After <see cref="BeginLoss"/>: rounds in which leaves publish what others need of them; may be 0.</summary>
    public int Rounds => _objectives[0].Rounds;

    /// <summary>What this worker's leaves publish in the next round.</summary>
    public LossBlock[] Publish()
    {
        using var phase = _clock.Enter(StepPhase.Loss);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        return [.. _mine.Select(m => m.Pass?.Publish(_received) ?? new LossBlock(m.Leaf, []))];
    }

    /// <summary>Ends the round.</summary>
    /// <param name="all">Blocks of all leaves, in leaf order.</param>
    public void Receive(IReadOnlyList<LossBlock> all)
    {
        if (all.Count != _settings.Leaves)
            throw new ArgumentException($"blocks of {_settings.Leaves} leaves are needed, not of {all.Count}");
        using var phase = _clock.Enter(StepPhase.Loss);
        using var scope = NewDisposeScope();
        for (var i = 0; i < _objectives.Length; i++)
        {
            var part = i;
            _objectives[i].Receive(_received, [.. all.Select(b => Part(b.Values, part))]);
        }

        _received++;

        // Each kind of captions has the same loss over as many samples, so their blocks are equally long.
        ReadOnlyMemory<float> Part(float[] values, int part) =>
            values.AsMemory(values.Length / _objectives.Length * part, values.Length / _objectives.Length);
    }

    /// <summary><see cref="BackwardText"/> and <see cref="BackwardImages"/>, where nothing is exchanged meanwhile.</summary>
    /// <param name="leafMetrics">Of each of this worker's leaves: its share in the global loss, and what else is measured.</param>
    /// <returns>The maximal complete subtrees that this worker's leaves cover; valid until this step is disposed.</returns>
    public IReadOnlyList<SubtreeGradient> Backward(out MetricBag[] leafMetrics)
    {
        BackwardText();
        return BackwardImages(out leafMetrics);
    }

    /// <summary>
    /// Backward passes of this worker's leaves through the text tower, and the sums of its gradients along the reduction tree. They can be
    /// exchanged while the image tower's are computed.
    /// </summary>
    /// <returns>The maximal complete subtrees that this worker's leaves cover, of whose gradients <see cref="ParameterLayout.TextTower"/>
    /// is there; valid until this step is disposed.</returns>
    public IReadOnlyList<SubtreeGradient> BackwardText()
    {
        if (_objectives.Length == 0 || _received < Rounds) throw new InvalidOperationException("the loss's rounds come first");
        var parts = _replica.Layout.TextTower;
        using var phase = _clock.Enter(StepPhase.TextTower);
        var sums = Accumulate(parts, new Dictionary<int, FlatBuffer>(), (_, leaf, pass) => pass?.BackwardText(GroupLoads(leaf)));
        _gradients = [.. sums.Select(s => new SubtreeGradient(s.Node, s.Sum))];
        _textIsDone = true;
        return Fetched(parts);
    }

    /// <summary>The same through the image tower, after <see cref="BackwardText"/>.</summary>
    /// <param name="leafMetrics">Of each of this worker's leaves: its share in the global loss, and what else is measured.</param>
    /// <returns>The subtrees of <see cref="BackwardText"/>, of whose gradients the rest is there, too.</returns>
    public IReadOnlyList<SubtreeGradient> BackwardImages(out MetricBag[] leafMetrics)
    {
        if (!_textIsDone) throw new InvalidOperationException("the text tower's backward pass comes first");
        using var phase = _clock.Enter(StepPhase.ImageTower);
        GradientRange[] parts = [_replica.Layout.ImageTower];
        var metrics = new MetricBag[_mine.Count];
        var loads = Loads(0, _settings.Leaves);
        Accumulate(parts, _gradients.ToDictionary(g => g.Node.From, g => g.Buffer), (i, leaf, pass) =>
        {
            metrics[i] = pass?.BackwardImages(GroupLoads(leaf)) ?? new MetricBag();
            if (_settings.Metrics == MeasuredMetrics.All) Measure(metrics[i], leaf, pass, loads);
        });
        leafMetrics = metrics;
        return Fetched(parts);
    }

    /// <summary>Frees graphs and gradients.</summary>
    public void Dispose()
    {
        _mine.ForEach(m => m.Pass?.Dispose());
        foreach (var joined in _joined) joined.Dispose();
        foreach (var objective in _objectives) objective.Dispose();
        foreach (var gradient in _gradients) _replica.Return(gradient.Buffer);
        _gradients = [];
    }

    /// <summary>Computes a part of the gradient leaf by leaf, and sums it along the tree.</summary>
    /// <param name="backward">Given which of the worker's leaves it is, the leaf's number, and its pass if it has samples.</param>
    private IReadOnlyList<(Subtree Node, FlatBuffer Sum)> Accumulate(
        IReadOnlyList<GradientRange> parts, IReadOnlyDictionary<int, FlatBuffer> room, Action<int, int, MicroBatchPass?> backward)
    {
        var accumulator = new SubtreeAccumulator(new ReductionTree(_settings.Leaves, _settings.Gradients), _replica, parts, room);
        var trains = _replica.Layout.TrainableLength > 0;
        for (var i = 0; i < _mine.Count; i++)
        {
            using var scope = NewDisposeScope();
            var (leaf, pass) = _mine[i];
            if (trains) accumulator.Begin(leaf);
            backward(i, leaf, pass);
            if (trains) accumulator.End(leaf);
        }

        return trains ? accumulator.Finish() : [];
    }

    private IReadOnlyList<SubtreeGradient> Fetched(IReadOnlyList<GradientRange> parts)
    {
        foreach (var gradient in _gradients)
            foreach (var part in parts) gradient.Fetch(part);
        return _gradients;
    }

    /// <summary>What a leaf without samples publishes: a batch may have fewer samples than leaves.</summary>
    private MicroBatchFeatures EmptyMicroBatch(MicroBatch microBatch)
    {
        var config = _replica.Layout.Config;
        var withShort = microBatch.ShortTokens is not null;
        var (image, text) = (None(config.Vision), None(config.Text));
        var loads = image is null ? null : new MicroBatchLoads(image, text!, withShort ? text : null);
        return new MicroBatchFeatures(microBatch.Leaf, 0, [], [], withShort ? [] : null, loads);

        RouterLoad? None(TowerConfig tower) => config.Moe is { } moe ? RouterLoad.None(moe.LayersOf(tower), moe.Experts) : null;
    }

    private int FirstRow(int leaf) => _all.Take(leaf).Sum(f => f.Rows);

    private Tensor Join(IReadOnlyList<MicroBatchFeatures> all, Func<MicroBatchFeatures, float[]> part)
    {
        var width = _replica.Layout.Config.EmbedDim;
        var values = all.SelectMany(part).ToArray();
        return HostTensor.Create(values, [values.Length / width, width], _replica.Device).DetachFromDisposeScope();
    }

    /// <param name="loads">Of the whole batch.</param>
    private void Measure(MetricBag bag, int leaf, MicroBatchPass? pass, MicroBatchLoads? loads)
    {
        using var phase = _clock.Enter(StepPhase.Loss);
        pass?.Measure(bag, rows: FirstRow(_settings.Leaves), loads);
        if (leaf != 0 || loads is null) return;
        var routers = RouterMetrics.Of(_replica.Layout.Config);
        routers.Image.AddLoad(bag, loads.Image);
        routers.Text.AddLoad(bag, loads.Text);
        if (loads.ShortText is not null) routers.ShortText.AddLoad(bag, loads.ShortText);
    }

    /// <summary>Loads of all leaves that share this leaf's balance loss.</summary>
    private MicroBatchLoads? GroupLoads(int leaf)
    {
        var perRank = _settings.Leaves / _settings.ReferenceWorld;
        return Loads(leaf / perRank * perRank, perRank);
    }

    /// <summary>Loads of consecutive leaves together; null for a dense model.</summary>
    private MicroBatchLoads? Loads(int first, int leaves) => _all[first].Loads is null ? null : _all.Skip(first).Take(leaves)
        .Select(f => f.Loads!).Aggregate((a, b) => new MicroBatchLoads(
            a.Image + b.Image, a.Text + b.Text, a.ShortText is null || b.ShortText is null ? null : a.ShortText + b.ShortText));
}
