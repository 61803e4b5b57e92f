using ClipMoe.Model.Architecture;
using ClipMoe.Model.Native;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

/// <summary>
/// A batch of square RGB images [n, 3, R, R]: bytes as they come from preprocessing, or values that are normalized already.
/// </summary>
public sealed class PixelBatch
{
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly ReadOnlyMemory<float> _standardized;
    private readonly bool _isStandardized;

    private PixelBatch(ReadOnlyMemory<byte> bytes, ReadOnlyMemory<float> standardized, bool isStandardized) =>
        (_bytes, _standardized, _isStandardized) = (bytes, standardized, isStandardized);

    /// <summary>Elements: n·3·R·R.</summary>
    public int Count => _isStandardized ? _standardized.Length : _bytes.Length;

    /// <summary>Levels 0 … 255; (level/255 − mean)/deviation is computed on the device.</summary>
    public static PixelBatch FromLevels(ReadOnlyMemory<byte> levels) => new(levels, default, isStandardized: false);

    public static PixelBatch FromStandardized(ReadOnlyMemory<float> values) => new(default, values, isStandardized: true);

    public static implicit operator PixelBatch(byte[] levels) => FromLevels(levels);

    /// <summary>Patches [n·g·g, 3·p·p] in the order (image, row, column), each as a convolution's weight (channel, y, x); fp32.</summary>
    internal Tensor ToPatches(int rows, ClipConfig config, Device device)
    {
        long p = config.PatchSize, g = config.ImageResolution / config.PatchSize;
        var expected = rows * 3L * config.ImageResolution * config.ImageResolution;
        if (Count != expected) throw new ArgumentException(
            $"{rows} images of {config.ImageResolution} px have {expected} values, not {Count}");
        ReadOnlySpan<long> shape = [rows, 3, g, p, g, p];
        var x_BCGPGP = _isStandardized
            ? HostTensor.Create(_standardized.Span, shape, device)
            : Standardize(HostTensor.Create(_bytes.Span, shape, device));
        return x_BCGPGP.permute(0, 2, 4, 1, 3, 5).reshape(rows * g * g, 3 * p * p);
    }

    /// <summary>The arithmetic of torchvision's ToTensor and Normalize with CLIP's mean and standard deviation, in its order.</summary>
    private static Tensor Standardize(Tensor levels_BC)
    {
        ReadOnlySpan<long> perChannel = [1, 3, 1, 1, 1, 1];
        var mean = HostTensor.Create([0.48145466f, 0.4578275f, 0.40821073f], perChannel, levels_BC.device);
        var deviation = HostTensor.Create([0.26862954f, 0.26130258f, 0.27577711f], perChannel, levels_BC.device);
        return levels_BC.to(ScalarType.Float32).OverInPlace(255).sub_(mean).div_(deviation);
    }
}
