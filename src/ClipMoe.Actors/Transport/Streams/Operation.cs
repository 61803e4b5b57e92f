using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>
/// Something that all members of a generation do together once. It is complete when everything for and from every peer has gone through the
/// streams; until then their threads use the caller's memory.
/// </summary>
internal abstract class Operation
{
    private readonly int[] _unsent;
    private readonly bool[] _unreceived;
    private int _open;

    /// <param name="number">Counts the operations of a generation; the same on all members.</param>
    /// <param name="framesTo">How many frames each rank is sent; the own rank's entry is ignored.</param>
    protected Operation(StreamExchange exchange, uint number, Func<int, int> framesTo)
    {
        Exchange = exchange;
        Number = number;
        _unsent = [.. Enumerable.Range(0, exchange.World).Select(r => r == exchange.Rank ? 0 : framesTo(r))];
        _unreceived = [.. Enumerable.Range(0, exchange.World).Select(r => r != exchange.Rank)];
        _open = _unsent.Count(u => u > 0) + _unreceived.Count(u => u);
    }

    public uint Number { get; }

    /// <summary>For messages: "the gradients were reduced".</summary>
    public abstract string Phase { get; }

    public bool IsComplete => Volatile.Read(ref _open) == 0;

    protected StreamExchange Exchange { get; }

    /// <summary>On the caller's thread: queues what can be sent at once.</summary>
    public abstract void Start();

    /// <summary>On the receiving thread of a peer: takes the payload that follows this header off the stream.</summary>
    /// <exception cref="InvalidDataException">The frame doesn't belong here; the message continues after the peer's name.</exception>
    public abstract void Receive(Peer peer, in FrameHeader header);

    /// <summary>After the exchange failed: lets threads that wait within the operation notice.</summary>
    public virtual void Wake()
    {
    }

    /// <summary>On the sending thread of a peer, after each frame.</summary>
    public void FrameSent(int rank)
    {
        if (--_unsent[rank] == 0) Close();
    }

    /// <summary>Whether this peer still has to take or to send something.</summary>
    public bool Awaits(int rank) => Volatile.Read(ref _unsent[rank]) > 0 || Owes(rank);

    /// <summary>
    /// Whether this peer still has to send something. One that doesn't may have all it needs, before the thread that sent it the last of
    /// it has come to say so.
    /// </summary>
    public bool Owes(int rank) => Volatile.Read(ref _unreceived[rank]);

    /// <summary>On the receiving thread of a peer: all of it is here.</summary>
    protected void AllReceived(int rank)
    {
        Volatile.Write(ref _unreceived[rank], false);
        Close();
    }

    private void Close()
    {
        if (Interlocked.Decrement(ref _open) == 0) Exchange.Completed();
    }
}
