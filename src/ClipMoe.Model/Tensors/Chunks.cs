using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tensors;

/// <summary>
/// Cuts a long flat range so that several element-wise operations in a row find it in the processor's cache instead of streaming through
/// memory once each. A GPU gets the range whole.
/// </summary>
internal static class Chunks
{
    private const long OnCpu = 1 << 19;

    public static IEnumerable<(long Start, long Length)> Split(long length, Device device)
    {
        var chunk = device.type == DeviceType.CPU ? OnCpu : Math.Max(length, 1);
        for (var start = 0L; start < length; start += chunk) yield return (start, Math.Min(chunk, length - start));
    }
}
