namespace ClipMoe.Actors.Transport;

/// <summary>
/// The exchange of a generation ended unasked: a stream broke, a frame was damaged or out of place, or a peer said
/// nothing for too long. The step that was in progress never happened.
/// </summary>
/// <param name="what">What happened, to be read after the peer's name.</param>
public sealed class ExchangeBrokenException(string stage, int generation, int peer, string what, Exception? inner = null)
    : IOException($"the exchange of generation {generation} of {stage} broke: rank {peer} {what}", inner)
{
    public string Stage { get; } = stage;

    public int Generation { get; } = generation;

    /// <summary>
    /// Rank of the peer whose stream showed it. A member that closes its streams because a third one failed is such a peer, too: which one
    /// several members name although it doesn't report anything itself is the one that failed.
    /// </summary>
    public int Peer { get; } = peer;

    public string What { get; } = what;
}
