using System.Runtime.Intrinsics.X86;
using ClipMoe.Model.Architecture;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Parameters;

/// <summary>What the forward and backward passes compute in. Master weights, sums of gradients and AdamW are fp32 in either.</summary>
public enum Precision { Fp32, Bf16 }

public static class Precisions
{
    /// <summary>Below this width the products are too small for bf16's conversions to pay.</summary>
    private const int NarrowestBf16 = 256;

    /// <summary>As journals and reports call it; runs are resumed only under the same name.</summary>
    public static string Name(this Precision precision) => precision == Precision.Bf16 ? "bf16" : "fp32";

    /// <summary>bf16 where the device is fast at it and the model wide enough to gain, else fp32.</summary>
    public static Precision For(Device device, ClipConfig config) =>
        Math.Max(config.Vision.Width, config.Text.Width) >= NarrowestBf16 && IsBf16Fast(device) ? Precision.Bf16 : Precision.Fp32;

    /// <summary>
    /// Whether the processor has AVX512_BF16 or AMX. A GPU is taken to be fast: TorchSharp does not tell its compute capability, and every
    /// one since 8.0 (Ampere) has tensor cores for bf16.
    /// </summary>
    public static bool IsBf16Fast(Device device)
    {
        if (device.type == DeviceType.CUDA) return true;
        if (!X86Base.IsSupported) return false;
        var (avx512Bf16, _, _, _) = X86Base.CpuId(7, 1);
        var (_, _, _, amx) = X86Base.CpuId(7, 0);
        return (avx512Bf16 & (1 << 5)) != 0 || (amx & (1 << 22)) != 0;
    }

    internal static ScalarType ToScalarType(this Precision precision) => precision == Precision.Bf16 ? ScalarType.BFloat16
        : ScalarType.Float32;
}
