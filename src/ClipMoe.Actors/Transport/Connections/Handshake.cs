using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>What a new connection is for.</summary>
internal enum ConnectionPurpose : byte
{
    /// <summary>Steps of a generation, between two of its members.</summary>
    Exchange = 1,

    /// <summary>Ranges of bulk sources.</summary>
    Fetch,
}

/// <summary>The first thing that the side that connected says. A fetch leaves all but the purpose empty.</summary>
/// <param name="From">Rank of the sender; <paramref name="To"/>: of the receiver.</param>
/// <param name="Terms">Hash of what both must agree on: the list of members.</param>
internal sealed record Hello(ConnectionPurpose Purpose, string Stage = "", int Generation = 0, int From = 0, int To = 0, ulong Terms = 0);

/// <summary>
/// How two processes begin: the one that accepted sends a greeting with a nonce, the other one its hello with a nonce of its own and a
/// proof that it knows the secret, the first one its answer with a proof. Proofs are HMAC-SHA256 over both nonces and what was said, so
/// neither the secret nor anything that can be used again crosses the network.
/// </summary>
internal static class Handshake
{
    /// <summary>Ends in the version of everything that crosses a bulk connection.</summary>
    private static ReadOnlySpan<byte> Magic => "CLIPMOE\u0002"u8;

    private const int Nonce = 16, Proof = HMACSHA256.HashSizeInBytes, MaxText = 1000;

    /// <summary>The accepting side, up to its answer.</summary>
    /// <exception cref="InvalidDataException">No hello, or one without the right proof.</exception>
    public static (Hello Hello, Answer Answer) Receive(BulkConnection connection, string? secret)
    {
        Span<byte> greeting = stackalloc byte[Magic.Length + Nonce];
        Magic.CopyTo(greeting);
        RandomNumberGenerator.Fill(greeting[Magic.Length..]);
        connection.Send(greeting);

        var theirs = new byte[Magic.Length + Nonce];
        connection.Receive(theirs);
        if (!theirs.AsSpan().StartsWith(Magic)) throw new InvalidDataException("did not begin with a hello of this version");
        var hello = ReceiveText(connection);
        Span<byte> proof = stackalloc byte[Proof];
        connection.Receive(proof);
        var nonces = (byte[])[.. greeting[Magic.Length..], .. theirs.AsSpan(Magic.Length)];
        if (!CryptographicOperations.FixedTimeEquals(proof, Prove(secret, "hello"u8, nonces, hello)))
            throw new InvalidDataException("does not know the cluster's secret");
        return (Decode(hello), new Answer(connection, secret, nonces));
    }

    /// <summary>The connecting side, until the other one has agreed.</summary>
    /// <exception cref="ConnectionRefusedException">The other side said no, and why.</exception>
    /// <exception cref="InvalidDataException">The other side is something else, or has another secret.</exception>
    public static void Introduce(BulkConnection connection, Hello hello, string? secret)
    {
        var greeting = new byte[Magic.Length + Nonce];
        connection.Receive(greeting);
        if (!greeting.AsSpan().StartsWith(Magic)) throw new InvalidDataException("is no bulk listener of this version");

        Span<byte> mine = stackalloc byte[Nonce];
        RandomNumberGenerator.Fill(mine);
        var nonces = (byte[])[.. greeting.AsSpan(Magic.Length), .. mine];
        var text = Encode(hello);
        connection.Send([.. Magic, .. mine, .. Prefixed(text), .. Prove(secret, "hello"u8, nonces, text)]);

        var answer = ReceiveText(connection);
        Span<byte> proof = stackalloc byte[Proof];
        connection.Receive(proof);
        if (!CryptographicOperations.FixedTimeEquals(proof, Prove(secret, "answer"u8, nonces, answer)))
            throw new InvalidDataException("does not know the cluster's secret");
        if (answer.Length > 0) throw new ConnectionRefusedException(Encoding.UTF8.GetString(answer));
    }

    /// <summary>The accepting side's last word.</summary>
    internal sealed class Answer(BulkConnection connection, string? secret, byte[] nonces)
    {
        public void Accept() => Say([]);

        /// <param name="reason">One sentence.</param>
        public void Refuse(string reason)
        {
            var text = Encoding.UTF8.GetBytes(reason);
            Say(text.AsSpan(0, Math.Min(text.Length, MaxText)));
        }

        private void Say(ReadOnlySpan<byte> text) => connection.Send([.. Prefixed(text), .. Prove(secret, "answer"u8, nonces, text)]);
    }

    private static byte[] Prove(string? secret, ReadOnlySpan<byte> role, ReadOnlySpan<byte> nonces, ReadOnlySpan<byte> text) =>
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret ?? ""), (byte[])[.. role, .. nonces, .. text]);

    private static byte[] Prefixed(ReadOnlySpan<byte> text)
    {
        var bytes = new byte[sizeof(ushort) + text.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)text.Length);
        text.CopyTo(bytes.AsSpan(sizeof(ushort)));
        return bytes;
    }

    private static byte[] ReceiveText(BulkConnection connection)
    {
        Span<byte> prefix = stackalloc byte[sizeof(ushort)];
        connection.Receive(prefix);
        var length = BinaryPrimitives.ReadUInt16LittleEndian(prefix);
        if (length > MaxText) throw new InvalidDataException($"announced {length} bytes where at most {MaxText} are allowed");
        var text = new byte[length];
        connection.Receive(text);
        return text;
    }

    private static byte[] Encode(Hello hello)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write((byte)hello.Purpose);
        writer.Write(hello.Generation);
        writer.Write(hello.From);
        writer.Write(hello.To);
        writer.Write(hello.Terms);
        writer.Write(hello.Stage);
        return bytes.Length <= MaxText ? bytes.ToArray() : throw new ArgumentException($"the name of a stage is too long: {hello.Stage}");
    }

    private static Hello Decode(byte[] text)
    {
        using var reader = new BinaryReader(new MemoryStream(text));
        try
        {
            var purpose = (ConnectionPurpose)reader.ReadByte();
            var (generation, from, to, terms) = (reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32(), reader.ReadUInt64());
            return new Hello(purpose, reader.ReadString(), generation, from, to, terms);
        }
        catch (Exception e) when (e is EndOfStreamException or FormatException)
        {
            throw new InvalidDataException("sent a malformed hello", e);
        }
    }
}

/// <summary>The other side of a new connection said no. The message is its reason, one sentence.</summary>
public sealed class ConnectionRefusedException(string reason) : IOException(reason);
