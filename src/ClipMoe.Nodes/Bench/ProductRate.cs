using System.Diagnostics;
using ClipMoe.Model.Parameters;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Nodes.Bench;

/// <summary>
/// How fast a device multiplies two square matrices: what the steps are held against. The matrices are as large as a product of at most a
/// second allows, so that a slow device is measured too.
/// </summary>
internal sealed class ProductRate
{
    private const int SmallestSize = 256, LargestSize = 2048;
    private const double LongestSeconds = 1;

    private readonly ScalarType _type;
    private readonly Device _device;
    private readonly List<double> _gflops = [];

    public ProductRate(Precision precision, Device device)
    {
        _type = precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;
        _device = device;
        Size = SmallestSize;
        // Twice the size takes eight times as long.
        while (Size < LargestSize && Seconds(Size, atLeast: 0).Min() * 8 <= LongestSeconds) Size *= 2;
    }

    /// <summary>Rows and columns of the matrices.</summary>
    public int Size { get; }

    /// <summary>Median of everything measured, in 10⁹ operations per second.</summary>
    public double MedianGflops => _gflops.Order().ElementAt(_gflops.Count / 2);

    /// <summary>Multiplies for about a second.</summary>
    public void Measure() => _gflops.AddRange(Seconds(Size, atLeast: 1).Skip(1)
        .Select(seconds => 2.0 * Size * Size * Size / seconds / 1e9));

    /// <summary>Seconds of one product after the other, two at least; the first one is cold.</summary>
    private List<double> Seconds(int size, double atLeast)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (a, b) = (rand(size, size, device: _device).to(_type), rand(size, size, device: _device).to(_type));
        var seconds = new List<double>();
        for (var total = Stopwatch.StartNew(); total.Elapsed.TotalSeconds < atLeast || seconds.Count < 2;)
        {
            var clock = Stopwatch.StartNew();
            a.mm(b).Dispose();
            if (_device.type == DeviceType.CUDA) cuda.synchronize();
            seconds.Add(clock.Elapsed.TotalSeconds);
        }

        return seconds;
    }
}
