using ClipMoe.Model.Native;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Optimization;

/// <summary>Settings of AdamW (Loshchilov and Hutter, arXiv 1711.05101); the defaults are PyTorch's and the reference's.</summary>
public sealed record AdamWSettings(double WeightDecay, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8);

/// <summary>
/// AdamW over the flat trainable range, with PyTorch's arithmetic (<c>_single_tensor_adamw</c>). Weight decay acts on everything that
/// trains, LayerNorms and biases too, as in the reference.
/// </summary>
internal sealed class AdamW : IDisposable
{
    private readonly Tensor _averageWeight;

    public AdamW(long length, Device device)
    {
        FirstMoment = new FlatBuffer(length, ScalarType.Float32, device);
        SecondMoment = new FlatBuffer(length, ScalarType.Float32, device);
        _averageWeight = tensor(0.0f, device: device).DetachFromDisposeScope();
    }

    public FlatBuffer FirstMoment { get; }
    public FlatBuffer SecondMoment { get; }

    /// <summary>Updates applied so far; the bias correction depends on it.</summary>
    public long Updates { get; set; }

    /// <summary>One update.</summary>
    /// <param name="parameters">fp32 master weights; its first elements train.</param>
    /// <param name="gradient">fp32, of the trainable length.</param>
    /// <param name="compute">Receives the new weights in a lower precision; null when the master is computed with.</param>
    public void Update(Tensor parameters, Tensor gradient, Tensor? compute, AdamWSettings settings, double learningRate)
    {
        Updates++;
        var correction1 = 1 - Math.Pow(settings.Beta1, Updates);
        var correction2 = 1 - Math.Pow(settings.Beta2, Updates);
        using var decay = (1 - learningRate * settings.WeightDecay).ToScalar();
        using var beta2 = settings.Beta2.ToScalar();
        using var oneMinusBeta2 = (1 - settings.Beta2).ToScalar();
        using var rootCorrection2 = Math.Sqrt(correction2).ToScalar();
        using var step = (-learningRate / correction1).ToScalar();
        using var oneMinusBeta1 = (1 - settings.Beta1).ToScalar();
        _averageWeight.fill_(oneMinusBeta1);
        foreach (var (start, length) in Chunks.Split(FirstMoment.Length, parameters.device))
        {
            using var scope = NewDisposeScope();
            var p = parameters.narrow(0, start, length);
            var g = gradient.narrow(0, start, length);
            var m = FirstMoment.Tensor.narrow(0, start, length);
            var v = SecondMoment.Tensor.narrow(0, start, length);
            p.mul_(decay);
            m.lerp_(g, _averageWeight);
            v.mul_(beta2).addcmul_(g, g, oneMinusBeta2);
            p.addcdiv_(m, v.sqrt().div_(rootCorrection2).PlusInPlace(settings.Epsilon), step);
            compute?.narrow(0, start, length).copy_(p);
        }
    }

    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        _averageWeight.Dispose();
    }
}
