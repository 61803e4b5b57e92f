using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ClipMoe.Model.Datasets;

/// <summary>SHA-256 over a sequence of strings, numbers and bytes, each with its length, so that no two sequences look alike.</summary>
internal sealed class FingerprintBuilder
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public FingerprintBuilder(string kind) => Add(kind);

    public FingerprintBuilder Add(string text) => Add(Encoding.UTF8.GetBytes(text));

    public FingerprintBuilder Add(ReadOnlySpan<byte> bytes)
    {
        Add(bytes.Length);
        _hash.AppendData(bytes);
        return this;
    }

    public FingerprintBuilder Add(long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        _hash.AppendData(bytes);
        return this;
    }

    /// <summary>Bytes whose number is added elsewhere: parts of one stream.</summary>
    public void AddPart(ReadOnlySpan<byte> bytes) => _hash.AppendData(bytes);

    public string Finish()
    {
        var result = Convert.ToHexStringLower(_hash.GetHashAndReset());
        _hash.Dispose();
        return result;
    }
}
