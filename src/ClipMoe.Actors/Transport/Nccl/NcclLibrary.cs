using System.Runtime.InteropServices;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>NCCL's functions, as <c>nccl.h</c> declares them from 2.14 on.</summary>
internal sealed unsafe class NcclLibrary
{
    public const string File = "libnccl.so.2";

    private const int Success = 0, InProgress = 7, Bytes = 1;

    private readonly delegate* unmanaged<int*, int> _getVersion;
    private readonly delegate* unmanaged<UniqueId*, int> _getUniqueId;
    private readonly delegate* unmanaged<nint*, int, UniqueId, int, Config*, int> _initRank;
    private readonly delegate* unmanaged<nint, int*, int> _getAsyncError;
    private readonly delegate* unmanaged<nint, int> _abort;
    private readonly delegate* unmanaged<int> _groupStart, _groupEnd;
    private readonly delegate* unmanaged<nint, nuint, int, int, nint, nint, int> _send, _receive;
    private readonly delegate* unmanaged<int, byte*> _errorString;
    private readonly delegate* unmanaged<nint, byte*> _lastError;

    [StructLayout(LayoutKind.Sequential)]
    private struct UniqueId
    {
        public const int Size = 128;

        public fixed byte Value[Size];
    }

    /// <summary><c>ncclConfig_t</c> as it was in 2.14: later versions take what is missing for unset.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Config
    {
        public nuint Size;
        public uint Magic;
        public uint Version;
        public int Blocking;
    }

    /// <exception cref="DllNotFoundException">It does not load.</exception>
    /// <exception cref="EntryPointNotFoundException">It is no NCCL, or older than 2.14.</exception>
    public NcclLibrary(string path)
    {
        var library = NativeLibrary.Load(path);
        _getVersion = (delegate* unmanaged<int*, int>)Find("ncclGetVersion");
        _getUniqueId = (delegate* unmanaged<UniqueId*, int>)Find("ncclGetUniqueId");
        _initRank = (delegate* unmanaged<nint*, int, UniqueId, int, Config*, int>)Find("ncclCommInitRankConfig");
        _getAsyncError = (delegate* unmanaged<nint, int*, int>)Find("ncclCommGetAsyncError");
        _abort = (delegate* unmanaged<nint, int>)Find("ncclCommAbort");
        _groupStart = (delegate* unmanaged<int>)Find("ncclGroupStart");
        _groupEnd = (delegate* unmanaged<int>)Find("ncclGroupEnd");
        _send = (delegate* unmanaged<nint, nuint, int, int, nint, nint, int>)Find("ncclSend");
        _receive = (delegate* unmanaged<nint, nuint, int, int, nint, nint, int>)Find("ncclRecv");
        _errorString = (delegate* unmanaged<int, byte*>)Find("ncclGetErrorString");
        _lastError = (delegate* unmanaged<nint, byte*>)Find("ncclGetLastError");
        int version;
        Check(_getVersion(&version), "ncclGetVersion");
        Version = version;

        nint Find(string name) => NativeLibrary.GetExport(library, name);
    }

    public int Version { get; }

    public byte[] NewUniqueId()
    {
        UniqueId id;
        Check(_getUniqueId(&id), "ncclGetUniqueId");
        return new ReadOnlySpan<byte>(id.Value, UniqueId.Size).ToArray();
    }

    /// <summary>
    /// Begins to make a non-blocking communicator on the thread's current GPU; <see cref="IsReady"/> tells when it is there.
    /// </summary>
    public nint BeginCommunicator(ReadOnlySpan<byte> uniqueId, int rank, int world)
    {
        if (uniqueId.Length != UniqueId.Size) throw new NcclTransportException($"was told a unique id of {uniqueId.Length} bytes");
        UniqueId id;
        uniqueId.CopyTo(new Span<byte>(id.Value, UniqueId.Size));
        var config = new Config { Size = (nuint)sizeof(Config), Magic = 0xcafebeef, Version = 21400, Blocking = 0 };
        nint communicator = 0;
        var code = _initRank(&communicator, world, id, rank, &config);
        if (code is Success or InProgress) return communicator;
        var failure = Failure(code, "ncclCommInitRankConfig");
        Abort(communicator);
        throw failure;
    }

    /// <summary>Whether the calls so far have done what they were to do; that of a group, to queue its transfers on the stream.</summary>
    public bool IsReady(nint communicator)
    {
        int state;
        Check(_getAsyncError(communicator, &state), "ncclCommGetAsyncError");
        if (state == InProgress) return false;
        Check(state, "the communicator");
        return true;
    }

    /// <summary>Queues transfers that happen side by side.</summary>
    /// <param name="sends">Pieces of the device's memory, and the ranks that they go to.</param>
    /// <param name="receives">Pieces of the device's memory, and the ranks that they come from.</param>
    public void Group(
        nint communicator, nint stream, IEnumerable<(nint Memory, int Length, int To)> sends,
        IEnumerable<(nint Memory, int Length, int From)> receives)
    {
        Check(_groupStart(), "ncclGroupStart");
        var (code, call) = (Success, "ncclSend");
        foreach (var (memory, length, to) in sends)
            if (code is Success or InProgress) code = _send(memory, (nuint)length, Bytes, to, communicator, stream);
        if (code is Success or InProgress) call = "ncclRecv";
        foreach (var (memory, length, from) in receives)
            if (code is Success or InProgress) code = _receive(memory, (nuint)length, Bytes, from, communicator, stream);
        // Also after a failure: the thread would stay in the group.
        var end = _groupEnd();
        Check(code, call);
        Check(end, "ncclGroupEnd");
    }

    /// <summary>
    /// Frees a communicator without the other members, also under way: what it has on the device stops. <c>ncclCommDestroy</c> may wait
    /// for members, which can be gone.
    /// </summary>
    public void Abort(nint communicator)
    {
        if (communicator != 0) _ = _abort(communicator);
    }

    private void Check(int code, string call)
    {
        if (code is not (Success or InProgress)) throw Failure(code, call);
    }

    private NcclTransportException Failure(int code, string call)
    {
        var last = Marshal.PtrToStringUTF8((nint)_lastError(0));
        var what = $"had {call} of NCCL fail with {code}, {Marshal.PtrToStringUTF8((nint)_errorString(code))}";
        return new NcclTransportException(string.IsNullOrWhiteSpace(last) ? what : $"{what} ({last.Trim()})");
    }
}
