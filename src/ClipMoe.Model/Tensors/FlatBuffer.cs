using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ClipMoe.Model.Native;
using ClipMoe.Model.Numerics;
using TorchSharp;
using static TorchSharp.torch;
using BFloat16 = ClipMoe.Model.Numerics.BFloat16;

namespace ClipMoe.Model.Tensors;

/// <summary>
/// A flat tensor on one device, zero at first. Other threads and sockets read and write an fp32 buffer on a processor as
/// <see cref="Memory{T}"/> without a copy; of a GPU's they get copies. Its memory is libtorch's, not the collector's, which would keep
/// gigabytes of disposed buffers for later.
/// </summary>
public sealed class FlatBuffer : IDisposable
{
    private readonly MemoryManager<float>? _host;

    /// <param name="length">Elements.</param>
    /// <param name="shared">Other processes of this host may read it, if it is an fp32 buffer on a processor.</param>
    public FlatBuffer(long length, ScalarType type, Device device, bool shared = false)
    {
        Length = length;
        if (shared && length > 0 && device.type == DeviceType.CPU && type == ScalarType.Float32)
        {
            var memory = SharedMemory.Create(checked((int)length));
            _host = memory;
            // A second mapping of the same pages, which libtorch owns as it owns its memory elsewhere.
            Tensor = from_file($"/proc/self/fd/{memory.File.DangerousGetHandle()}", shared: true, length, type).DetachFromDisposeScope();
            return;
        }

        Tensor = zeros(length, type, device).DetachFromDisposeScope();
        if (device.type == DeviceType.CPU && type == ScalarType.Float32) _host = new HostMemory(Tensor, checked((int)length));
    }

    public long Length { get; }

    /// <summary>Shape [<see cref="Length"/>].</summary>
    public Tensor Tensor { get; }

    /// <summary>Whether <see cref="Host"/> is the tensor's own memory.</summary>
    public bool OnHost => _host is not null;

    /// <summary>The tensor's own memory; not to be touched after the buffer is disposed.</summary>
    /// <exception cref="InvalidOperationException">The buffer is on a GPU or not fp32.</exception>
    public Memory<float> Host => _host?.Memory ?? throw new InvalidOperationException("this buffer is not in the host's memory");

    public void Read(long offset, Span<float> destination)
    {
        if (_host is not null)
        {
            Host.Span.Slice((int)offset, destination.Length).CopyTo(destination);
            return;
        }

        using var scope = NewDisposeScope();
        HostTensor.Read(Tensor.narrow(0, offset, destination.Length), destination);
    }

    public void Write(long offset, ReadOnlySpan<float> source)
    {
        if (_host is not null)
        {
            source.CopyTo(Host.Span[(int)offset..]);
            return;
        }

        using var scope = NewDisposeScope();
        Tensor.narrow(0, offset, source.Length).copy_(HostTensor.Create(source, [source.Length], Tensor.device));
    }

    /// <summary>Rounds a range to bfloat16, to nearest with ties to even, where it is not in it anyway.</summary>
    public void RoundToBFloat16(long start, long length)
    {
        if (Tensor.dtype == ScalarType.BFloat16) return;
        if (_host is not null)
        {
            // libtorch's own conversion may take tiny values for zero, which the rounding at a slice's owner does not.
            var values = Host.Span.Slice((int)start, (int)length);
            BFloat16.Round(values, values);
            return;
        }

        using var scope = NewDisposeScope();
        var range = Tensor.narrow(0, start, length);
        range.copy_(range.to(ScalarType.BFloat16));
    }

    public void Dispose()
    {
        Tensor.Dispose();
        (_host as SharedMemory)?.Dispose();
    }

    private sealed unsafe class HostMemory : MemoryManager<float>
    {
        private readonly Tensor _tensor;
        private readonly int _length;
        private readonly float* _first;

        public HostMemory(Tensor tensor, int length)
        {
            (_tensor, _length) = (tensor, length);
            if (length == 0) return;
            using var first = tensor.narrow(0, 0, 1);
            _first = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
        }

        public override Span<float> GetSpan()
        {
            ObjectDisposedException.ThrowIf(_tensor.IsInvalid, _tensor);
            return new Span<float>(_first, _length);
        }

        public override MemoryHandle Pin(int elementIndex = 0) => new(_first + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
