using System.Runtime.ExceptionServices;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Tensors;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// A member's streams to all others of a generation, and the operation that is in progress on them. The first thing that goes wrong ends
/// it for good: every stream is closed, so that the others notice too, and waiting threads are told why.
/// </summary>
internal sealed class StreamExchange : IStepExchange
{
    private const string HasLeft = "has left the generation";

    private readonly TransportSettings _settings;
    private readonly Action<ExchangeBrokenException> _broken;
    private readonly Peer?[] _peers;
    private readonly CancellationTokenSource _ended = new();
    /// <summary>Guards all state; members that join or are early for an operation wait on it.</summary>
    private readonly object _gate = new();
    /// <summary>The caller of an operation waits on it for its completion. Never taken before <see cref="_gate"/>.</summary>
    private readonly object _completion = new();
    private Operation? _operation;
    private uint _begun;
    private int? _left;
    /// <summary>Threads that may touch memory which peers have lent: two for each peer, and the caller of an operation.</summary>
    private int _readers;
    private volatile Exception? _failure;

    public StreamExchange(ExchangeGeneration generation, TransportSettings settings, Action<ExchangeBrokenException> broken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)generation.Rank, (uint)generation.World, nameof(generation));
        (Generation, _settings, _broken) = (generation, settings, broken);
        _peers = new Peer?[generation.World];
        Window = new ReceiveWindow(generation.World);
    }

    public ExchangeGeneration Generation { get; }

    public int World => Generation.World;

    public int Rank => Generation.Rank;

    public ReceiveWindow Window { get; }

    public IEnumerable<Peer> Peers => _peers.OfType<Peer>();

    /// <summary>Connects to the members before this one, waits for those behind it to connect, and returns when all are there.</summary>
    public void Connect()
    {
        for (var rank = 0; rank < Rank; rank++)
        {
            var to = rank;
            new Thread(() => Connect(to)) { Name = $"bulk-connect-{to}", IsBackground = true }.Start();
        }

        var begun = Environment.TickCount64;
        while (true)
        {
            var left = Generation.Patience - TimeSpan.FromMilliseconds(Environment.TickCount64 - begun);
            lock (_gate)
            {
                if (_failure is not null) ExceptionDispatchInfo.Throw(_failure);
                if (Peers.Count() == World - 1) return;
                if (left > TimeSpan.Zero) Monitor.Wait(_gate, left);
            }

            if (left > TimeSpan.Zero) continue;
            var missing = Enumerable.Range(0, World).First(r => r != Rank && _peers[r] is null);
            Broke(missing, $"did not join within {Generation.Patience}");
        }
    }

    /// <summary>Takes the stream to a member over.</summary>
    /// <param name="open">Called if the stream is wanted; it belongs to the exchange from then on.</param>
    /// <returns>Whether it is wanted.</returns>
    public bool Attach(int rank, Func<BulkConnection> open)
    {
        lock (_gate)
        {
            if (_failure is not null || (uint)rank >= (uint)World || rank == Rank || _peers[rank] is not null) return false;
            var peer = new Peer(this, rank, open(), _settings.Fault);
            _peers[rank] = peer;
            _readers += 2;
            peer.Start();
            Monitor.PulseAll(_gate);
            return true;
        }
    }

    public IReadOnlyList<MicroBatchFeatures> Gather(IReadOnlyList<MicroBatchFeatures> mine) =>
        Gather(FrameKind.Features, StepCodec.Encode(mine), StepCodec.DecodeFeatures);

    public IReadOnlyList<LossBlock> Gather(IReadOnlyList<LossBlock> mine) =>
        Gather(FrameKind.LossBlocks, StepCodec.Encode(mine), StepCodec.DecodeLossBlocks);

    /// <summary>All members' notes, in rank order.</summary>
    public IReadOnlyList<byte[]> Gather(ReadOnlyMemory<byte> note)
    {
        var gathered = Run(number => new GatherOperation(this, number, FrameKind.Notes, note));
        return [.. Enumerable.Range(0, World).Select(r => gathered[r].ToArray())];
    }

    public ISumInProgress BeginReduce(
        ReductionTree tree, IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum, GradientRange part)
    {
        RequireLengths(mine, sum);
        var chunks = new GradientChunks(part.Length, World, part.Start);
        return new SumInProgress(this, Begin(number => new Reduction(this, number, tree, mine, sum, chunks)));
    }

    /// <exception cref="ArgumentException">A gradient hasn't the sum's length.</exception>
    public static void RequireLengths(IReadOnlyList<(Subtree Node, ReadOnlyMemory<float> Gradient)> mine, Memory<float> sum)
    {
        foreach (var (node, gradient) in mine)
            if (gradient.Length != sum.Length)
                throw new ArgumentException($"the gradient of {node} has {gradient.Length} elements, the sum {sum.Length}");
    }

    /// <summary>On a receiving thread: the operation that a frame belongs to, once this member has begun it.</summary>
    /// <exception cref="InvalidDataException">It is long over, or far ahead.</exception>
    public Operation Await(uint number)
    {
        lock (_gate)
        {
            while (true)
            {
                if (_operation is { } operation && operation.Number == number) return operation;
                if (number != _begun + 1) throw new InvalidDataException(
                    $"sent a frame of operation {number} when this member was at {_begun}");
                Wait(_gate);
            }
        }
    }

    /// <summary>
    /// For a member that waits for all others elsewhere than at the streams: throws once the exchange failed or a member left.
    /// </summary>
    public void ThrowIfOver()
    {
        int? left;
        lock (_gate) left = _left;
        if (left is { } peer) Broke(peer, HasLeft);
        if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Waits for a pulse of a gate that the caller holds, unless or until the exchange has failed.</summary>
    public void Wait(object gate)
    {
        if (_failure is null) Monitor.Wait(gate);
        if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>On any thread: an operation has become complete.</summary>
    public void Completed()
    {
        lock (_completion) Monitor.Pulse(_completion);
    }

    /// <summary>A thread has ended that might have touched memory which peers have lent. The last one gives it back.</summary>
    public void Leave()
    {
        lock (_gate)
            if (--_readers > 0 || _failure is null)
                return;
        foreach (var peer in Peers) peer.Unmap();
    }

    /// <summary>On any thread: something went wrong with a peer.</summary>
    public void Broke(int peer, string what, Exception? cause = null) =>
        Fail(new ExchangeBrokenException(Generation.Stage, Generation.Number, peer, what, cause));

    /// <summary>
    /// On a receiving thread: a peer left in good order, which matters to an operation only if it still waits for that peer.
    /// </summary>
    public void Left(int peer)
    {
        bool owes;
        lock (_gate)
        {
            _left = peer;
            owes = _operation?.Owes(peer) == true;
        }

        if (owes) Broke(peer, HasLeft);
    }

    /// <summary>Ends the exchange without blame: in good order if nothing is in progress, else at once.</summary>
    public void Abort()
    {
        var aborted = new OperationCanceledException($"the exchange of {Generation} was aborted");
        lock (_gate)
        {
            if (_operation is null && _failure is null)
            {
                _failure = aborted;
                Monitor.PulseAll(_gate);
                foreach (var peer in Peers) peer.Leave();
            }
        }

        Fail(aborted);
        _ended.Cancel();
    }

    /// <summary>After <see cref="Abort"/>: returns when the streams are closed.</summary>
    public void Join()
    {
        foreach (var peer in Peers) peer.Join();
    }

    public FrameSite Site(int to, FrameKind kind, int ordinal) => new(Generation.Stage, Generation.Number, Rank, to, kind, ordinal);

    private void Connect(int to)
    {
        try
        {
            var hello = new Hello(ConnectionPurpose.Exchange, Generation.Stage, Generation.Number, Rank, to, Generation.Terms);
            var connection = Connector.Connect(Generation.Members[to], hello, _settings, _ended.Token);
            if (!Attach(to, () => connection)) connection.Dispose();
        }
        catch (OperationCanceledException)
        {
            // The exchange has failed meanwhile.
        }
        catch (IOException e)
        {
            Broke(to, e is ConnectionRefusedException ? $"refused to connect: {e.Message}" : e.Message, e);
        }
    }

    private IReadOnlyList<T> Gather<T>(FrameKind kind, ReadOnlyMemory<byte> mine, Func<ReadOnlySpan<byte>, IReadOnlyList<T>> decode)
    {
        var gathered = Run(number => new GatherOperation(this, number, kind, mine));
        return [.. Enumerable.Range(0, World).SelectMany(r => decode(gathered[r]))];
    }

    private T Run<T>(Func<uint, T> create)
        where T : Operation
    {
        var operation = Begin(create);
        End(operation);
        return operation;
    }

    /// <summary>Begins an operation, which continues upon the peers' threads; <see cref="End"/> is to follow.</summary>
    private T Begin<T>(Func<uint, T> create)
        where T : Operation
    {
        T operation;
        int? left;
        lock (_gate)
        {
            if (_failure is not null) ExceptionDispatchInfo.Throw(_failure);
            if (_operation is not null) throw new InvalidOperationException($"two threads use the exchange of {Generation} at once");
            operation = create(_begun + 1);
            _operation = operation;
            _begun++;
            _readers++;
            left = _left;
            Monitor.PulseAll(_gate);
        }

        try
        {
            if (left is { } peer) Broke(peer, HasLeft);
            operation.Start();
        }
        catch (Exception e)
        {
            Fail(e);
        }

        return operation;
    }

    /// <summary>Waits for an operation, or until it has failed and no memory of it is touched any more.</summary>
    private void End(Operation operation)
    {
        try
        {
            AwaitCompletion(operation);
        }
        catch (Exception e)
        {
            Fail(e);
        }
        finally
        {
            Leave();
        }

        lock (_gate) _operation = null;
        if (_failure is null) return;
        Join();
        ExceptionDispatchInfo.Throw(_failure);
    }

    private sealed class SumInProgress(StreamExchange exchange, Reduction reduction) : ISumInProgress
    {
        private bool _ended;

        public UInt128 Complete()
        {
            _ended = true;
            exchange.End(reduction);
            return reduction.Hash;
        }

        public void Dispose()
        {
            if (_ended) return;
            exchange.Fail(new OperationCanceledException($"a step of {exchange.Generation} ended before its sums were made"));
            try
            {
                Complete();
            }
            catch (Exception e) when (e is OperationCanceledException or ExchangeBrokenException or IOException or InvalidDataException)
            {
                // It has just been ended, or was before.
            }
        }
    }

    private void AwaitCompletion(Operation operation)
    {
        var begun = Environment.TickCount64;
        while (true)
        {
            var awaited = Peers.Where(p => operation.Awaits(p.Rank)).MinBy(p => p.LastProgress);
            var silence = Environment.TickCount64 - Math.Max(begun, awaited?.LastProgress ?? begun);
            var left = Generation.Patience - TimeSpan.FromMilliseconds(silence);
            if (awaited is not null && left <= TimeSpan.Zero)
                Broke(awaited.Rank, $"said nothing for {Generation.Patience} while {operation.Phase}");
            lock (_completion)
            {
                if (operation.IsComplete || _failure is not null) return;
                Monitor.Wait(_completion, left);
            }
        }
    }

    private void Fail(Exception failure)
    {
        Operation? interrupted;
        lock (_gate)
        {
            if (_failure is not null) return;
            _failure = failure;
            interrupted = _operation;
            Monitor.PulseAll(_gate);
        }

        lock (_completion) Monitor.PulseAll(_completion);
        foreach (var peer in Peers) peer.Close();
        interrupted?.Wake();
        _ended.Cancel();
        if (failure is ExchangeBrokenException broken) _broken(broken);
    }
}
