using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Native;

namespace ClipMoe.Actors.Transport.Streams;

/// <summary>A frame on its way into a peer's stream.</summary>
/// <param name="Operation">Told when the frame is sent; until then the payload is not to change. Null for a frame without one.</param>
/// <param name="Header">Without a checksum, which the sending thread takes just before it sends, when the payload is in its cache anyway;
/// unless <paramref name="HasChecksum"/>.</param>
/// <param name="Payload">Its length is the header's, or double that for floats that are to be rounded.</param>
/// <param name="Rounds">The payload is floats that travel as bfloat16.</param>
/// <param name="Memory">What the receiver is lent, and where it reads the payload, which doesn't travel then.</param>
/// <param name="Stays">The payload doesn't change until the receiver has said that it has read it, unless the exchange breaks.</param>
internal readonly record struct OutgoingFrame(
    Operation? Operation, FrameHeader Header, ReadOnlyMemory<byte> Payload, bool HasChecksum = false, bool Rounds = false,
    SharedMemory? Memory = null, bool Stays = false);
