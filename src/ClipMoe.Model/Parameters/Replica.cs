using System.IO.Hashing;
using System.Runtime.InteropServices;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Native;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Parameters;

/// <summary>
/// All tensors of one model on one device: fp32 master weights, the gradient of one leaf, AdamW's moments, and, when computing in bf16, the
/// weights in bf16. Belongs to one thread; only <see cref="ReducedGradient"/> may be written by others, between the backward pass and
/// <see cref="Apply(double, AdamWSettings)"/>.
/// </summary>
public sealed class Replica : IParameterSource, IDisposable
{
    private readonly FlatBuffer _master;
    private readonly FlatBuffer? _compute;
    private readonly ParameterViews _views;
    private readonly Stack<FlatBuffer> _spare = [];
    private AdamW? _optimizer;
    private FlatBuffer? _reduced;
    private UInt128? _frozenHash;
    private bool _computeIsStale;

    public Replica(ParameterLayout layout, Device device, Precision precision)
    {
        Layout = layout;
        Device = device;
        Precision = precision;
        _master = new FlatBuffer(layout.Length, ScalarType.Float32, device);
        var type = precision.ToScalarType();
        if (precision != Precision.Fp32) _compute = new FlatBuffer(layout.Length, type, device);
        if (layout.TrainableLength > 0) MicroBatchGradient = new FlatBuffer(layout.TrainableLength, type, device);
        _views = new ParameterViews(layout, (_compute ?? _master).Tensor, MicroBatchGradient?.Tensor);
    }

    public ParameterLayout Layout { get; }
    public Device Device { get; }
    public Precision Precision { get; }

    /// <summary>AdamW updates applied so far.</summary>
    public long Updates => _optimizer?.Updates ?? 0;

    /// <summary>
    /// Host memory for the gradient summed over all leaves, [<see cref="ParameterLayout.TrainableLength"/>], which
    /// <see cref="Apply(double, AdamWSettings)"/> uses.
    /// </summary>
    public Memory<float> ReducedGradient =>
        (_reduced ??= new FlatBuffer(Layout.TrainableLength, ScalarType.Float32, CPU, shared: true)).Host;

    /// <summary>What one leaf's backward accumulates into, in compute precision; null when nothing trains.</summary>
    internal FlatBuffer? MicroBatchGradient { get; }

    internal ParameterViews Views
    {
        get
        {
            if (_computeIsStale) RefreshCompute();
            return _views;
        }
    }

    /// <summary>Elements of a parameter from <paramref name="offset"/> on, row-major.</summary>
    public void Read(string name, Span<float> destination, long offset = 0) =>
        _master.Read(Within(name, destination.Length, offset), destination);

    /// <summary>A parameter that is one number.</summary>
    public double ReadNumber(string name)
    {
        Span<float> value = stackalloc float[1];
        Read(name, value);
        return value[0];
    }

    /// <summary>Replaces elements of a parameter from <paramref name="offset"/> on.</summary>
    public void Write(string name, ReadOnlySpan<float> source, long offset = 0)
    {
        _master.Write(Within(name, source.Length, offset), source);
        _computeIsStale = true;
        _frozenHash = null;
    }

    /// <summary>Seeded initial values for every parameter; forgets the optimizer's state.</summary>
    public void Initialize(ulong seed)
    {
        foreach (var slot in Layout.Slots)
        {
            var values = new float[slot.Count];
            ParameterInitialization.Fill(slot.Spec, seed, values);
            Write(slot.Name, values);
        }

        ForgetOptimizer();
    }

    /// <summary>
    /// Weights of a checkpoint, or of another replica of the same architecture whatever its locking, device or precision; forgets the
    /// optimizer's state.
    /// </summary>
    /// <param name="except">Parameters that stay as they are.</param>
    public void Load(IParameterSource source, IEnumerable<string>? except = null)
    {
        foreach (var slot in Layout.Slots.ExceptBy(except ?? [], s => s.Name)) Load(slot, source, slot.Name);
        ForgetOptimizer();
    }

    /// <summary>Replaces one parameter by another one of as many elements.</summary>
    /// <param name="name">In <paramref name="source"/>.</param>
    internal void Load(ParameterSlot slot, IParameterSource source, string name) => BufferedCopy.Run(
        slot.Count, (offset, part) => source.Read(name, part, offset), (offset, part) => Write(slot.Name, part, offset));

    /// <summary>Starts a new stage: AdamW's moments are zero again.</summary>
    public void ForgetOptimizer()
    {
        _optimizer?.Dispose();
        _optimizer = null;
    }

    /// <summary>One AdamW update with <see cref="ReducedGradient"/>.</summary>
    public void Apply(double learningRate, AdamWSettings settings)
    {
        _ = ReducedGradient;
        Apply(_reduced!, learningRate, settings);
    }

    /// <summary>One AdamW update with a gradient summed over all leaves, [<see cref="ParameterLayout.TrainableLength"/>].</summary>
    public void Apply(ReadOnlySpan<float> gradient, double learningRate, AdamWSettings settings)
    {
        if (gradient.Length != Layout.TrainableLength)
            throw new ArgumentException($"a gradient has {Layout.TrainableLength} elements, not {gradient.Length}");
        gradient.CopyTo(ReducedGradient.Span);
        Apply(_reduced!, learningRate, settings);
    }

    /// <summary>
    /// One AdamW update with a gradient that is summed over all leaves already, as when one worker has them all: saves a copy.
    /// </summary>
    public void Apply(SubtreeGradient gradient, double learningRate, AdamWSettings settings) =>
        Apply(gradient.Buffer, learningRate, settings);

    private void Apply(FlatBuffer gradient, double learningRate, AdamWSettings settings)
    {
        if (Layout.TrainableLength == 0) return;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        if (_computeIsStale) RefreshCompute();
        Optimizer.Update(_master.Tensor, gradient.Tensor.to(Device), _compute?.Tensor, settings, learningRate);
        if (!Layout.Trainable.LearnLogits) return;
        foreach (var parameter in Layout.Config.Loss.LogitParameters())
            if (parameter.Largest is { } largest) _master.Tensor.narrow(0, Layout[parameter.Name].Offset, 1).AtMostInPlace(largest);
    }

    /// <summary>Floats of the whole state: weights, then AdamW's two moments.</summary>
    public long StateLength => Layout.Length + 2 * Layout.TrainableLength;

    /// <summary>Part of the state from <paramref name="offset"/> on, for a worker that joins, or for a training checkpoint.</summary>
    public void ReadState(long offset, Span<float> destination)
    {
        foreach (var (buffer, at, from, count) in StateRanges(offset, destination.Length)) buffer.Read(at, destination.Slice(from, count));
    }

    /// <summary>Replaces part of the state. <paramref name="updates"/> is the sender's <see cref="Updates"/>.</summary>
    public void WriteState(long offset, ReadOnlySpan<float> source, long updates)
    {
        Optimizer.Updates = updates;
        foreach (var (buffer, at, from, count) in StateRanges(offset, source.Length)) buffer.Write(at, source.Slice(from, count));
        _computeIsStale = true;
        _frozenHash = null;
    }

    /// <summary>
    /// XxHash128 of weights, moments and number of updates: equal on replicas in the same state, whatever their precision.
    /// </summary>
    public UInt128 Hash()
    {
        var hash = new XxHash128();
        _frozenHash ??= HashOf(_master, Layout.TrainableLength, Layout.Length - Layout.TrainableLength);
        Append(hash, _frozenHash.Value);
        Append(hash, HashOf(_master, 0, Layout.TrainableLength));
        if (_optimizer is not null && Updates > 0)
        {
            Append(hash, HashOf(_optimizer.FirstMoment, 0, Layout.TrainableLength));
            Append(hash, HashOf(_optimizer.SecondMoment, 0, Layout.TrainableLength));
        }

        Append(hash, (UInt128)(ulong)Updates);
        return hash.GetCurrentHashAsUInt128();
    }

    /// <summary>XxHash128 of the weights that train: equal on replicas that computed the same step from the same weights.</summary>
    public UInt128 TrainedHash() => HashOf(_master, 0, Layout.TrainableLength);

    public void Dispose()
    {
        _views.Dispose();
        _master.Dispose();
        _compute?.Dispose();
        MicroBatchGradient?.Dispose();
        _optimizer?.Dispose();
        _reduced?.Dispose();
        foreach (var buffer in _spare) buffer.Dispose();
    }

    /// <summary>
    /// An fp32 buffer of the trainable length on this device, with unspecified content; give it back with <see cref="Return"/>.
    /// </summary>
    internal FlatBuffer Rent() =>
        _spare.TryPop(out var buffer) ? buffer : new FlatBuffer(Layout.TrainableLength, ScalarType.Float32, Device, shared: true);

    internal void Return(FlatBuffer buffer) => _spare.Push(buffer);

    private AdamW Optimizer => _optimizer ??= new AdamW(Layout.TrainableLength, Device);

    private long Within(string name, int length, long offset)
    {
        var slot = Layout[name];
        if (offset < 0 || offset > slot.Count - length)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{name} has {slot.Count} elements");
        return slot.Offset + offset;
    }

    private void RefreshCompute()
    {
        using var noGrad = no_grad();
        _compute?.Tensor.copy_(_master.Tensor);
        _computeIsStale = false;
    }

    private IEnumerable<(FlatBuffer Buffer, long At, int From, int Count)> StateRanges(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, StateLength, nameof(offset));
        var start = 0L;
        foreach (var buffer in (FlatBuffer[])[_master, Optimizer.FirstMoment, Optimizer.SecondMoment])
        {
            var from = Math.Max(offset, start);
            var to = Math.Min(offset + length, start + buffer.Length);
            if (from < to) yield return (buffer, from - start, (int)(from - offset), (int)(to - from));
            start += buffer.Length;
        }
    }

    private static UInt128 HashOf(FlatBuffer buffer, long start, long length)
    {
        const int chunk = 1 << 22;
        var hash = new XxHash128();
        var copy = buffer.OnHost ? [] : new float[(int)Math.Min(chunk, length)];
        for (var at = 0L; at < length; at += chunk)
        {
            var count = (int)Math.Min(chunk, length - at);
            if (buffer.OnHost)
            {
                hash.Append(MemoryMarshal.AsBytes(buffer.Host.Span.Slice((int)(start + at), count)));
                continue;
            }

            buffer.Read(start + at, copy.AsSpan(0, count));
            hash.Append(MemoryMarshal.AsBytes(copy.AsSpan(0, count)));
        }

        return hash.GetCurrentHashAsUInt128();
    }

    private static void Append(XxHash128 hash, UInt128 value) => hash.Append(MemoryMarshal.AsBytes(new ReadOnlySpan<UInt128>(in value)));
}
