using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tensors;

/// <summary>Copies between spans and tensors, without TorchSharp's pinned-array factories, which cost a marshalled delegate each.</summary>
internal static class HostTensor
{
    public static Tensor Create(ReadOnlySpan<float> values, ReadOnlySpan<long> shape, Device device) =>
        Create(values, shape, ScalarType.Float32, device);

    public static Tensor Create(ReadOnlySpan<long> values, ReadOnlySpan<long> shape, Device device) =>
        Create(values, shape, ScalarType.Int64, device);

    public static Tensor Create(ReadOnlySpan<byte> values, ReadOnlySpan<long> shape, Device device) =>
        Create(values, shape, ScalarType.Byte, device);

    /// <summary>Elements of a float tensor on any device, row-major, as fp32.</summary>
    public static void Read(Tensor tensor, Span<float> destination)
    {
        using var scope = NewDisposeScope();
        var host = tensor.detach().to(ScalarType.Float32).cpu().contiguous();
        MemoryMarshal.Cast<byte, float>(host.bytes).CopyTo(destination);
    }

    public static float[] Read(Tensor tensor)
    {
        var values = new float[tensor.numel()];
        Read(tensor, values);
        return values;
    }

    private static Tensor Create<T>(ReadOnlySpan<T> values, ReadOnlySpan<long> shape, ScalarType type, Device device)
        where T : unmanaged
    {
        var host = empty(shape, type);
        MemoryMarshal.AsBytes(values).CopyTo(host.bytes);
        if (device.type == DeviceType.CPU) return host;
        using (host) return host.to(device);
    }
}
