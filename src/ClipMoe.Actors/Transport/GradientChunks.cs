using System.IO.Hashing;
using System.Runtime.InteropServices;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport;

/// <summary>
/// A flat gradient, or a part of one, cut into chunks: the unit in which it travels, is summed and is hashed. Each member of a generation
/// owns a contiguous slice of whole chunks.
/// </summary>
/// <param name="Length">Floats.</param>
/// <param name="Start">Of the part in the gradient, in floats.</param>
internal readonly record struct GradientChunks(int Length, int World, int Start = 0)
{
    /// <summary>
    /// Floats of every chunk but the last. 256 KiB: small enough to stay in the second-level cache from the socket to the sum, large
    /// enough that system calls and wake-ups don't count.
    /// </summary>
    public const int Size = 1 << 16;

    public int Count => (Length + Size - 1) / Size;

    /// <summary>The chunks that a member owns: <c>First</c> inclusive, <c>End</c> exclusive.</summary>
    public (int First, int End) OwnedBy(int rank) => ((int)((long)Count * rank / World), (int)((long)Count * (rank + 1) / World));

    /// <summary>Where a chunk lies in the gradient, in floats.</summary>
    public (int Start, int Length) this[int chunk] => (Start + chunk * Size, Math.Min(Size, Length - chunk * Size));

    public static ulong Checksum(ReadOnlySpan<float> chunk) => FrameChecksum.Compute(MemoryMarshal.AsBytes(chunk));

    /// <summary>The hash of a gradient whose parts have these hashes.</summary>
    public static UInt128 Hash(params ReadOnlySpan<UInt128> parts) => XxHash128.HashToUInt128(MemoryMarshal.AsBytes(parts));

    /// <summary>The hash of a part of a gradient, which depends on its bits alone and not on the number of members.</summary>
    /// <param name="checksums">Of all chunks in order.</param>
    public static UInt128 Hash(ReadOnlySpan<ulong> checksums) => XxHash128.HashToUInt128(MemoryMarshal.AsBytes(checksums));
}
