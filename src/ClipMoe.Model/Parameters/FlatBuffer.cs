using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Parameters;

/// <summary>
/// A flat tensor on one device, zero at first. On the CPU an fp32 buffer is the memory of a pinned managed array, so that other threads and
/// sockets can read and write it as <see cref="Memory{T}"/> without a copy; on a GPU the host sees copies.
/// </summary>
public sealed class FlatBuffer : IDisposable
{
    private readonly Memory<float> _host;

    /// <param name="length">Elements.</param>
    public FlatBuffer(long length, ScalarType type, Device device)
    {
        Length = length;
        if (device.type == DeviceType.CPU && type == ScalarType.Float32)
        {
            const int alignment = ParameterLayout.Alignment;
            var array = GC.AllocateArray<float>(checked((int)(length + alignment)), pinned: true);
            var misaligned = Address(array) / sizeof(float) % alignment;
            var start = misaligned == 0 ? 0 : alignment - misaligned;
            _host = array.AsMemory((int)start, (int)length);
            Tensor = frombuffer(array, type, length, start).DetachFromDisposeScope();
        }
        else
        {
            Tensor = zeros(length, type, device).DetachFromDisposeScope();
        }
    }

    public long Length { get; }

    /// <summary>Shape [<see cref="Length"/>].</summary>
    public Tensor Tensor { get; }

    /// <summary>Whether <see cref="Host"/> is the tensor's own memory.</summary>
    public bool OnHost => _host.Length == Length && Length > 0;

    /// <summary>The tensor's own memory.</summary>
    /// <exception cref="InvalidOperationException">The buffer is on a GPU or not fp32.</exception>
    public Memory<float> Host => OnHost || Length == 0 ? _host : throw new InvalidOperationException("this buffer is not in the host's memory");

    public void Read(long offset, Span<float> destination)
    {
        if (OnHost)
        {
            _host.Span.Slice((int)offset, destination.Length).CopyTo(destination);
            return;
        }

        using var scope = NewDisposeScope();
        HostTensor.Read(Tensor.narrow(0, offset, destination.Length), destination);
    }

    public void Write(long offset, ReadOnlySpan<float> source)
    {
        if (OnHost)
        {
            source.CopyTo(_host.Span[(int)offset..]);
            return;
        }

        using var scope = NewDisposeScope();
        Tensor.narrow(0, offset, source.Length).copy_(HostTensor.Of(source, [source.Length], Tensor.device));
    }

    public void Dispose() => Tensor.Dispose();

    private static unsafe nint Address(float[] pinned)
    {
        fixed (float* first = pinned) return (nint)first;
    }
}
