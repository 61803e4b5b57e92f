using ClipMoe.Model.Architecture;
using ClipMoe.Model.Tensors;

namespace ClipMoe.Model.Parameters;

/// <summary>Where one parameter lies in the flat buffers. <paramref name="Offset"/> counts floats.</summary>
public sealed record ParameterSlot(ParameterSpec Spec, long Offset, bool Trainable)
{
    public string Name => Spec.Name;
    public IReadOnlyList<long> Shape => Spec.Shape;
    public long Count => Spec.Count;
}

/// <summary>
/// The flat buffer of a model: what trains first and contiguous, so that a gradient is one block to send and AdamW runs over one range;
/// the rest behind it. Within each part the order is that of the reference's state dict. Slots start at multiples of
/// <see cref="Alignment"/> floats; the gaps are zero.
/// </summary>
public sealed class ParameterLayout
{
    /// <summary>64 bytes: a cache line and an AVX-512 register.</summary>
    public const int Alignment = 16;

    private readonly Dictionary<string, ParameterSlot> _byName;
    private readonly (long Start, long End) _imageTower;

    private ParameterLayout(
        ClipConfig config, TrainableParameters locking, IReadOnlyList<ParameterSlot> slots, (long Start, long End) imageTower,
        long trainableLength,
        long length)
    {
        Config = config;
        Trainable = locking;
        Slots = slots;
        _imageTower = imageTower;
        TrainableLength = trainableLength;
        Length = length;
        _byName = slots.ToDictionary(s => s.Name);
    }

    public ClipConfig Config { get; }
    public TrainableParameters Trainable { get; }

    /// <summary>Every parameter, in the order of the reference's state dict (not of the buffer).</summary>
    public IReadOnlyList<ParameterSlot> Slots { get; }

    /// <summary>Floats of the trainable part, a multiple of <see cref="Alignment"/>; the length of a gradient.</summary>
    public long TrainableLength { get; }

    /// <summary>The gradient of the image tower and of the loss's learned numbers; around it lies that of the text tower.</summary>
    public GradientRange ImageTower => Range(_imageTower.Start, _imageTower.End);

    /// <summary>
    /// The last part of the text tower's gradient, which is nearly all of it: blocks, token embedding, last normalization.
    /// </summary>
    public GradientRange TextBlocks => Range(_imageTower.End, TrainableLength);

    /// <summary>The rest of the gradient: what comes before the text tower's blocks.</summary>
    public GradientRange BeforeTextBlocks => Range(0, _imageTower.End);

    /// <summary>The gradient of the text tower.</summary>
    public IReadOnlyList<GradientRange> TextTower => [Range(0, _imageTower.Start), TextBlocks];

    /// <summary>Floats of the whole buffer.</summary>
    public long Length { get; }

    /// <exception cref="KeyNotFoundException">The model has no such parameter.</exception>
    public ParameterSlot this[string name] =>
        _byName.TryGetValue(name, out var slot) ? slot : throw new KeyNotFoundException($"the model has no parameter {name}");

    public bool TryGet(string name, out ParameterSlot slot) => _byName.TryGetValue(name, out slot!);

    private static GradientRange Range(long start, long end) => new(checked((int)start), checked((int)(end - start)));

    public static ParameterLayout Create(ClipConfig config, TrainableParameters locking)
    {
        var specs = ParameterNames.ForConfig(config);
        var offsets = new long[specs.Count];
        var next = 0L;
        var imageTower = (Start: -1L, End: 0L);
        Place(trainable: true);
        var trainableLength = next;
        Place(trainable: false);
        var slots = specs.Select((s, i) => new ParameterSlot(s, offsets[i], locking.Trains(s.Name))).ToList();
        return new ParameterLayout(config, locking, slots, imageTower, trainableLength, next);

        void Place(bool trainable)
        {
            for (var i = 0; i < specs.Count; i++)
            {
                var ofImages = trainable && IsOfImageTower(specs[i].Name);
                if (ofImages && imageTower.Start < 0) imageTower.Start = next;
                if (locking.Trains(specs[i].Name) == trainable)
                {
                    offsets[i] = next;
                    next += (specs[i].Count + Alignment - 1) / Alignment * Alignment;
                }

                if (ofImages) imageTower.End = next;
            }
        }
    }

    private static bool IsOfImageTower(string name) =>
        LossKinds.HasLogitParameter(name) || name.StartsWith(ParameterNames.Vision, StringComparison.Ordinal);
}
