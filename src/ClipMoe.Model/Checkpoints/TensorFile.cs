using System.Security.Cryptography;
using ClipMoe.Model.Checkpoints.Torch;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.Checkpoints;

/// <summary>Opens checkpoints of any supported kind, told by what is in the file, not by its name.</summary>
public static class TensorFile
{
    private const int ChunkBytes = 1 << 18;
    private const string SafetensorsExtension = ".safetensors";

    /// <exception cref="UserErrorException">The file is missing, damaged, or of no kind that ClipMoe reads.</exception>
    public static ITensorFile Open(string path) => KindOf(path) switch
    {
        Kind.Safetensors => SafetensorsFile.Open(path),
        Kind.Archive => TorchFile.Open(path),
        Kind.LegacyTorch => throw new UserErrorException(
            $"{path} is in the format that PyTorch wrote before 1.6: load it there and save it again with torch.save."),
        _ => throw new UserErrorException($"{path} is neither a safetensors file nor a PyTorch archive (.pt)."),
    };

    /// <summary>Whether the file at this path is meant to hold tensors, by its content or, where that is damaged, by its name.</summary>
    public static bool Recognises(string path) =>
        File.Exists(path) && (Path.GetExtension(path).ToLowerInvariant() is SafetensorsExtension or ".pt" or ".pth" || KindOf(path) != Kind.Unknown);

    /// <summary>SHA-256 of a file in lower-case hexadecimal, as provenance records it.</summary>
    public static string Sha256(string path)
    {
        using var handle = OpenHandle(path);
        using var stream = new FileStream(handle, FileAccess.Read);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>As <see cref="Sha256(string)"/>, of an open file; the hash of its data that it may carry is compared in the same pass.</summary>
    /// <exception cref="UserErrorException">Its data is not what was written.</exception>
    public static string Sha256(ITensorFile file) => file is SafetensorsFile safetensors ? safetensors.Sha256() : Sha256(file.Path);

    private enum Kind { Unknown, Safetensors, Archive, LegacyTorch }

    private static Kind KindOf(string path)
    {
        using var handle = OpenHandle(path);
        Span<byte> start = stackalloc byte[9];
        start = start[..(int)Math.Min(start.Length, RandomAccess.GetLength(handle))];
        ReadExactly(path, handle, start, 0);
        if (start.StartsWith("PK\x03\x04"u8)) return Kind.Archive;
        // The pickled "magic number" of torch's first format: PROTO 2, LONG1 of 10 bytes.
        if (start.StartsWith((ReadOnlySpan<byte>)[0x80, 2, 0x8a, 10])) return Kind.LegacyTorch;
        var named = Path.GetExtension(path).Equals(SafetensorsExtension, StringComparison.OrdinalIgnoreCase);
        var plausible = start.Length == 9 && start[8] == (byte)'{' && BitConverter.ToUInt64(start) <= SafetensorsHeader.MaxLength;
        return named || plausible ? Kind.Safetensors : Kind.Unknown;
    }

    internal static SafeFileHandle OpenHandle(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.RandomAccess);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserErrorException(File.Exists(path) || Directory.Exists(path)
                ? $"{path} cannot be read: {e.Message.TrimEnd('.')}."
                : $"{path} does not exist.", e);
        }
    }

    internal static void ReadExactly(string path, SafeFileHandle handle, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int read;
            try
            {
                read = RandomAccess.Read(handle, destination, offset);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new UserErrorException($"{path} cannot be read at byte {offset}: {e.Message.TrimEnd('.')}.", e);
            }

            if (read == 0) throw new UserErrorException($"{path} ends at byte {offset}, in the middle of its data; copy it again.");
            destination = destination[read..];
            offset += read;
        }
    }

    internal static TensorInfo CheckRange(ITensorFile file, string name, long offset, long length)
    {
        var info = file.Get(name);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, info.ByteLength - offset);
        return info;
    }

    internal static void ReadFloats(ITensorFile file, string name, Span<float> destination, long offset)
    {
        var info = file.Get(name);
        if (!info.Type.IsFloat())
            throw new UserErrorException($"tensor {Printable.Quote(name)} in {file.Path} holds {info.Type}, not floating-point numbers.");
        var size = info.Type.Size();
        var buffer = new byte[(int)Math.Min(ChunkBytes, (long)destination.Length * size)];
        while (!destination.IsEmpty)
        {
            var count = Math.Min(destination.Length, ChunkBytes / size);
            var chunk = buffer.AsSpan(0, count * size);
            file.Read(name, chunk, offset * size);
            TensorConversion.ToFloats(info.Type, chunk, destination);
            destination = destination[count..];
            offset += count;
        }
    }
}
