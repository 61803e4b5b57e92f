using System.Buffers.Binary;
using System.IO.Hashing;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>What a frame carries.</summary>
public enum FrameKind : byte
{
    /// <summary>Part of the sender's features of a step.</summary>
    Features = 1,

    /// <summary>Part of the sender's blocks of a round of the loss.</summary>
    LossBlocks,

    /// <summary>Which nodes of the reduction tree the sender's gradients are.</summary>
    Subtrees,

    /// <summary>A chunk of one of the sender's subtree sums, for the owner of the chunk.</summary>
    Gradients,

    /// <summary>A chunk of the sum over all leaves, from its owner.</summary>
    Sums,

    /// <summary>Lends the receiver memory, whose file comes with the header, until the generation ends.</summary>
    Memory,

    /// <summary>The sender has read all that was lent to it for the operation.</summary>
    Read,

    /// <summary>The sender leaves the generation in good order; nothing follows.</summary>
    Goodbye,

    /// <summary>Asks for a range of a bulk source.</summary>
    Request,

    /// <summary>Part of the range that was asked for.</summary>
    Content,

    /// <summary>In place of content: one sentence about why there is none.</summary>
    Failure,

    /// <summary>Part of what members tell each other about other ways to exchange data.</summary>
    Notes,
}

/// <summary>
/// Goes before the payload of every frame. It has a checksum of its own, so that a damaged length is noticed before it is believed.
/// </summary>
/// <param name="Length">Bytes of the payload.</param>
/// <param name="Operation">Number of the operation in its generation, or of the request on its connection.</param>
/// <param name="Part">For <see cref="FrameKind.Gradients"/>, which of the sender's subtrees; for <see cref="FrameKind.Subtrees"/> 1 if
/// memory is lent for the operation.</param>
/// <param name="Offset">Where the payload belongs: bytes into the message, or number of the chunk; for <see cref="FrameKind.Memory"/> how
/// many floats it has.</param>
/// <param name="Total">Bytes of the whole message, or number of chunks; for <see cref="FrameKind.Memory"/>, and for gradients and sums
/// without
/// <paramref name="Length"/>, which of the sender's memory it is, where the payload lies.</param>
/// <param name="Checksum"><see cref="FrameChecksum"/> of the payload.</param>
internal readonly record struct FrameHeader(FrameKind Kind, int Length, uint Operation, int Part, long Offset, long Total, ulong Checksum)
{
    public const int Size = 44;
    private const uint Magic = 0x1F_4D_4C_43;
    private const int Checked = Size - sizeof(uint);

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[4..], Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], Operation);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], Part << 8 | (byte)Kind);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], Offset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], Total);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[32..], Checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[Checked..], (uint)XxHash3.HashToUInt64(bytes[..Checked]));
    }

    /// <exception cref="InvalidDataException">These bytes are no header.</exception>
    public static FrameHeader Read(ReadOnlySpan<byte> bytes)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[Checked..]) != (uint)XxHash3.HashToUInt64(bytes[..Checked]))
        {
            throw new InvalidDataException("sent a damaged frame header");
        }

        var kind = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]);
        var header = new FrameHeader(
            (FrameKind)(byte)kind, BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]),
            kind >> 8, BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]));
        return header.Length >= 0 && header.Offset >= 0 && header.Total >= 0
            ? header
            : throw new InvalidDataException("sent a frame header with a negative length");
    }
}
