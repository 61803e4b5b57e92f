using System.Runtime.InteropServices;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>
/// What NCCL needs around it: memory, a stream and copies, by NVIDIA's driver. Its library is there wherever a GPU is, under one name,
/// unlike CUDA's runtime; contexts, streams and memory of the two are the same.
/// </summary>
internal sealed unsafe class CudaDriver
{
    public const string File = "libcuda.so.1";

    private const int NotReady = 600;

    private readonly delegate* unmanaged<uint, int> _init;
    private readonly delegate* unmanaged<int*, int, int> _deviceGet;
    private readonly delegate* unmanaged<Guid*, int, int> _deviceGetUuid;
    private readonly delegate* unmanaged<nint*, int, int> _retainPrimaryContext;
    private readonly delegate* unmanaged<nint, int> _pushContext;
    private readonly delegate* unmanaged<nint*, int> _popContext;
    private readonly delegate* unmanaged<nint*, uint, int> _streamCreate;
    private readonly delegate* unmanaged<nint, int> _streamQuery, _streamSynchronize, _streamDestroy;
    private readonly delegate* unmanaged<nint*, nuint, int> _allocate;
    private readonly delegate* unmanaged<nint, int> _free;
    private readonly delegate* unmanaged<nint, void*, nuint, nint, int> _copyToDevice;
    private readonly delegate* unmanaged<void*, nint, nuint, nint, int> _copyToHost;
    private readonly delegate* unmanaged<int, byte**, int> _errorString;

    /// <exception cref="DllNotFoundException">There is no driver.</exception>
    /// <exception cref="EntryPointNotFoundException">It is too old.</exception>
    public CudaDriver(string path)
    {
        var library = NativeLibrary.Load(path);
        _init = (delegate* unmanaged<uint, int>)Find("cuInit");
        _deviceGet = (delegate* unmanaged<int*, int, int>)Find("cuDeviceGet");
        _deviceGetUuid = (delegate* unmanaged<Guid*, int, int>)Find("cuDeviceGetUuid");
        _retainPrimaryContext = (delegate* unmanaged<nint*, int, int>)Find("cuDevicePrimaryCtxRetain");
        _pushContext = (delegate* unmanaged<nint, int>)Find("cuCtxPushCurrent_v2");
        _popContext = (delegate* unmanaged<nint*, int>)Find("cuCtxPopCurrent_v2");
        _streamCreate = (delegate* unmanaged<nint*, uint, int>)Find("cuStreamCreate");
        _streamQuery = (delegate* unmanaged<nint, int>)Find("cuStreamQuery");
        _streamSynchronize = (delegate* unmanaged<nint, int>)Find("cuStreamSynchronize");
        _streamDestroy = (delegate* unmanaged<nint, int>)Find("cuStreamDestroy_v2");
        _allocate = (delegate* unmanaged<nint*, nuint, int>)Find("cuMemAlloc_v2");
        _free = (delegate* unmanaged<nint, int>)Find("cuMemFree_v2");
        _copyToDevice = (delegate* unmanaged<nint, void*, nuint, nint, int>)Find("cuMemcpyHtoDAsync_v2");
        _copyToHost = (delegate* unmanaged<void*, nint, nuint, nint, int>)Find("cuMemcpyDtoHAsync_v2");
        _errorString = (delegate* unmanaged<int, byte**, int>)Find("cuGetErrorString");

        nint Find(string name) => NativeLibrary.GetExport(library, name);
    }

    /// <summary>The context that libtorch computes in on a GPU, too, and what tells the GPU from all others.</summary>
    /// <param name="ordinal">As in <c>cuda:0</c>.</param>
    /// <exception cref="NcclTransportException">The driver refused.</exception>
    public (nint Context, string Gpu) Open(int ordinal)
    {
        int device;
        Guid uuid;
        nint context;
        Check(_init(0), "cuInit");
        Check(_deviceGet(&device, ordinal), "cuDeviceGet");
        Check(_deviceGetUuid(&uuid, device), "cuDeviceGetUuid");
        // Never released: it lives as long as libtorch's own use of it.
        Check(_retainPrimaryContext(&context, device), "cuDevicePrimaryCtxRetain");
        return (context, Convert.ToHexStringLower(new ReadOnlySpan<byte>(&uuid, sizeof(Guid))));
    }

    /// <summary>Makes a context, and so its GPU, the calling thread's until <see cref="Leave"/>.</summary>
    public void Enter(nint context) => Check(_pushContext(context), "cuCtxPushCurrent");

    public void Leave()
    {
        nint context;
        _ = _popContext(&context);
    }

    /// <summary>One that waits for no other and that no other waits for.</summary>
    public nint CreateStream()
    {
        const uint nonBlocking = 1;
        nint stream;
        Check(_streamCreate(&stream, nonBlocking), "cuStreamCreate");
        return stream;
    }

    public bool IsIdle(nint stream)
    {
        var code = _streamQuery(stream);
        if (code == NotReady) return false;
        Check(code, "cuStreamQuery");
        return true;
    }

    public void Synchronize(nint stream) => Check(_streamSynchronize(stream), "cuStreamSynchronize");

    public nint Allocate(long bytes)
    {
        nint memory;
        Check(_allocate(&memory, (nuint)bytes), "cuMemAlloc");
        return memory;
    }

    /// <summary>Queues a copy. Memory of the process that is not page-locked has been read when it returns.</summary>
    public void Copy(ReadOnlySpan<byte> source, nint destination, nint stream)
    {
        fixed (byte* first = source) Check(_copyToDevice(destination, first, (nuint)source.Length, stream), "cuMemcpyHtoDAsync");
    }

    /// <summary>Copies what the stream has made, and returns when it is there.</summary>
    public void Copy(nint source, Span<byte> destination, nint stream)
    {
        fixed (byte* first = destination)
        {
            Check(_copyToHost(first, source, (nuint)destination.Length, stream), "cuMemcpyDtoHAsync");
            Synchronize(stream);
        }
    }

    /// <summary>Frees a stream and memory, whatever state they are in.</summary>
    public void Free(nint stream, nint memory)
    {
        if (stream != 0) _ = _streamDestroy(stream);
        if (memory != 0) _ = _free(memory);
    }

    private void Check(int code, string call)
    {
        if (code == 0) return;
        byte* text;
        var known = _errorString(code, &text) == 0;
        throw new NcclTransportException($"had {call} fail with {code}{(known ? $", {Marshal.PtrToStringUTF8((nint)text)}" : "")}");
    }
}
