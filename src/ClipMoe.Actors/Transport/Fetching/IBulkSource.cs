namespace ClipMoe.Actors.Transport.Fetching;

/// <summary>Something that other processes may copy bytes from, registered with a <see cref="BulkServer"/> under a name.</summary>
public interface IBulkSource
{
    /// <summary>Opens what a key names; on a thread of the connection, any number at once.</summary>
    /// <exception cref="IOException">There is no such thing, or not now; the message is one sentence and is sent to the client.</exception>
    IBulkContent Open(string key);
}

/// <summary>Bytes that don't change while they are open.</summary>
public interface IBulkContent : IDisposable
{
    long Length { get; }

    /// <summary>Fills the destination from <paramref name="offset"/> on; both within <see cref="Length"/>.</summary>
    /// <exception cref="IOException">It can't be read; the message is one sentence and is sent to the client.</exception>
    void Read(long offset, Span<byte> destination);
}
