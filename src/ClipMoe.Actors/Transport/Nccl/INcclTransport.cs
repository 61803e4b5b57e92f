namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>Bytes for other members.</summary>
internal readonly record struct Outgoing(ReadOnlyMemory<byte> Bytes, IReadOnlyList<int> To);

/// <summary>Room for bytes of another member.</summary>
internal readonly record struct Incoming(int From, Memory<byte> Bytes);

/// <summary>Carries bytes between the members of a generation, and does nothing else with them.</summary>
internal interface INcclTransport : IDisposable
{
    /// <summary>
    /// Sends and receives all of this at once, and returns when it is done. What one member has for another is received in the order in
    /// which it is sent, with the same lengths; nothing is empty.
    /// </summary>
    /// <exception cref="NcclTransportException">It failed. The transport is of no use any more, and touches no memory any more.</exception>
    /// <remarks>Ends with the exception of the generation, too, when that is over.</remarks>
    void Carry(IReadOnlyList<Outgoing> sends, IReadOnlyList<Incoming> receives);
}

/// <summary>Connects the members of a generation by transports.</summary>
internal interface INcclTransports
{
    /// <summary>What this process can do; asked for once a generation.</summary>
    NcclOffer Offer { get; }

    /// <summary>Names a group of transports that doesn't exist yet; one member asks for it and tells the others.</summary>
    /// <exception cref="NcclTransportException">There is none.</exception>
    byte[] NewGroup();

    /// <summary>Returns when all members have called it.</summary>
    /// <param name="patience">How long others may be waited for, here and in each round.</param>
    /// <param name="throwIfOver">Asked again and again while others are waited for.</param>
    /// <exception cref="NcclTransportException">They could not be connected.</exception>
    INcclTransport Connect(byte[] group, int rank, int world, TimeSpan patience, Action throwIfOver);
}

/// <summary>A transport failed.</summary>
/// <param name="what">What happened, to be read after the name of the member.</param>
/// <param name="peer">The peer it happened with; null: the member itself.</param>
internal sealed class NcclTransportException(string what, int? peer = null) : IOException(what)
{
    public int? Peer { get; } = peer;
}
