using System.Text;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport.Fetching;

/// <summary>Bytes of a bulk source.</summary>
/// <param name="Source">Name under which the source is registered.</param>
/// <param name="Key">What of the source.</param>
/// <param name="Length">Null: up to the end.</param>
public sealed record BulkRange(string Source, string Key, long Offset = 0, long? Length = null)
{
    internal const int MaxEncoded = 4096;

    /// <summary>Payload of a frame of content.</summary>
    internal const int FrameLength = 1 << 18;

    public override string ToString() => $"{Source} {Key}";

    internal byte[] Encode()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        writer.Write(Offset);
        writer.Write(Length ?? -1);
        writer.Write(Source);
        writer.Write(Key);
        return bytes.Length <= MaxEncoded ? bytes.ToArray() : throw new ArgumentException($"the key is too long: {Key}");
    }

    /// <exception cref="InvalidDataException">These bytes are something else.</exception>
    internal static BulkRange Decode(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes), Encoding.UTF8);
        try
        {
            var (offset, length) = (reader.ReadInt64(), reader.ReadInt64());
            return new BulkRange(reader.ReadString(), reader.ReadString(), offset, length < 0 ? null : length);
        }
        catch (Exception e) when (e is EndOfStreamException or FormatException)
        {
            throw new InvalidDataException("sent a malformed request", e);
        }
    }

    internal static FrameHeader Header(FrameKind kind, uint request, long offset, long total) => new(kind, 0, request, 0, offset, total, 0);
}
